"""Feature functions of many shapes, for tests of what is inlined and what is called."""

from __future__ import annotations

from presage_featurizer.events import MICROS, Device, EventType

_LIMITS = {1: 0.5, 2: 0.25}
_LOW = -2


def _seconds(micros):
    return micros / MICROS


def _larger(one, other=0):
    return one if one > other else other  # noqa: FURB136 - a condition is the point


def _sum_of(*numbers):
    return sum(numbers)


def _doubled(number):
    number = number * 2
    return number  # noqa: RET504 - the assignment is the point


def _first_seen(view):
    return view.state.first_seen_unix_micros


def _looped(view):
    for session in view.state.sessions:
        if session.page_views:
            return session.page_views
    return -1


# Inlined as a whole.


def constant(view):
    return 2.5


def with_a_docstring(view):
    """Something."""
    return MICROS


def alias(view):
    state = view.state
    return state.orders


def two_variables(view):
    orders, device = view.state.orders, view.state.device
    return orders + device


def counted(view):
    found = 0
    for session in view.state.sessions:
        if session.event_count == 1:
            continue
        found += session.page_views
    return found


def kept_before_a_change(view):
    total = view.state.orders
    before = total
    total += 10
    return before * 100 + total


def given_before_and_after_a_change(view):
    micros = view.state.first_seen_unix_micros
    before = _seconds(micros)
    micros += 1_000 * MICROS
    return before - 2 * _seconds(micros)


def early_returns(view):
    orders = view.state.orders
    if orders > 1:
        return 7
    doubled = orders * 2
    if doubled > 1:
        return doubled
    return -1


def early_return_of_a_call(view):
    if view.state.orders:
        return _seconds(view.now_unix_micros)
    return _seconds(1)


def without_an_else(view):
    found = 0
    if view.state.cart:
        found = len(view.state.cart)
    return found


def shared_call(view):
    return _seconds(_first_seen(view))


def shared_call_again(view):
    return _seconds(_first_seen(view)) + 1


def by_keyword(view):
    return _larger(other=view.state.device, one=view.state.orders)


def subject_of_a_helper(view):
    return _first_seen(view) % 1_000


def method(view):
    return view.days_since(view.state.first_seen_unix_micros)


def members(view):
    return view.state.device == Device.MOBILE or EventType.PURCHASE - 10


def comprehension(view):
    state = view.state
    names = [session.session_id for state in (state,) for session in state.sessions if session.session_id]
    return len(names) + len({line.category: line for line in state.cart.values()})


def chained(view):
    return 0 <= view.state.orders < 2


def conditional_calls(view):
    return _seconds(10) if view.state.orders and _seconds(view.now_unix_micros) > _seconds(5) else _seconds(20)


def negative_constant(view):
    return _LOW**2 + _LOW.bit_length()


def built_in_functions(view):
    return min(view.state.orders, 3) + sum([1, 2])


# Helpers that are called.


def default_of_a_helper(view):
    return _larger(view.state.orders)


def any_number_of_arguments(view):
    return _sum_of(view.state.orders, 1) + _sum_of(*[1, 2])


def helper_that_changes_its_argument(view):
    return _doubled(view.state.orders)


# Called themselves.


def returns_from_a_loop(view):
    for session in view.state.sessions:
        if session.page_views:
            return session.page_views
    return -1


def helper_returns_from_a_loop(view):
    return _looped(view)


def conditional_helper_of_the_subject(view):
    return _first_seen(view) if view.state.orders else 0


def conditional_method(view):
    return view.days_since(1) if view.state.orders else 0


def changes_a_dict(view):
    counts = {}
    for line in view.state.cart.values():
        counts[line.category] = counts.get(line.category, 0) + 1
    return max(counts.values(), default=0)


def appends(view):
    found = []
    found.append(view.state.orders)
    return found[0]


def anonymous_function(view):
    return max(_LIMITS, key=lambda key: _LIMITS[key])


def walrus(view):
    return orders if (orders := view.state.orders) else -1


def changes_its_parameter(view):
    view = view.state
    return view.orders


def nested(view):
    def inner():
        return view.state.orders

    return inner()


def hands_over_the_view(view):
    return len([view, view])


def _made(limit):
    def closure(view):
        return min(view.state.orders, limit)

    return closure


closure = _made(1)

INLINED = (
    *(constant, with_a_docstring, alias, two_variables, counted, kept_before_a_change),
    *(given_before_and_after_a_change, early_returns, early_return_of_a_call, without_an_else, shared_call),
    *(shared_call_again, by_keyword, subject_of_a_helper, method, members, comprehension, chained, conditional_calls),
    *(
        negative_constant,
        built_in_functions,
        default_of_a_helper,
        any_number_of_arguments,
        helper_that_changes_its_argument,
    ),
)
CALLED = (
    *(returns_from_a_loop, helper_returns_from_a_loop, conditional_helper_of_the_subject, conditional_method),
    *(changes_a_dict, appends, anonymous_function, walrus, changes_its_parameter, nested, hands_over_the_view, closure),
)
