"""The source of the functions that fold events into slots.

Each aggregate becomes a few lines: the conditions, the value that the event brings, and the slot's new value. The lines hold no
text of a declaration except the names of numbers and labels; other values are globals of the function.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import count
from typing import cast

from presage_featurizer.aggregates.aggregate import Aggregate, Condition
from presage_featurizer.aggregates.attributes import Attribute, attribute_named, value_of
from presage_featurizer.decay import decay_factor
from presage_featurizer.digests import WIDTH, contains, digest, product_digest
from presage_featurizer.events import Device, Event
from presage_featurizer.state import MAX_MONEY_MICROS, Slots, TimedValue

__all__ = ["update_function", "update_source"]

_numbers = count(1)


def update_function(aggregates: Sequence[Aggregate]) -> Callable[[Slots, Event], None]:
    """Generate the function that folds an event into the slots of these aggregates; the event is of a type that concerns each."""
    source, namespace = update_source(aggregates)
    exec(compile(source, f"<aggregates {next(_numbers)}>", "exec"), namespace)  # noqa: S102 - made here
    return cast("Callable[[Slots, Event], None]", namespace["update"])


def update_source(aggregates: Sequence[Aggregate]) -> tuple[str, dict[str, object]]:
    """Compose the source of the function, and the globals that it needs."""
    namespace: dict[str, object] = {
        "TimedValue": TimedValue,
        "add_decayed": add_decayed,
        "add_distinct": add_distinct,
        "value_of": value_of,
        "limited": _limited,
    }
    lines = ["def update(slots, event):", "    now = event.event_time_unix_micros"]
    for each in aggregates:
        lines += _lines(each, namespace)
    return "\n".join(lines) + "\n", namespace


def add_decayed(before: TimedValue | None, weight: float, now: int, half_life_micros: int) -> TimedValue:
    """Add an event's weight to a decayed sum; that of a late event has decayed by as much as it is late."""
    if before is None:
        return TimedValue(0.0 + weight, now)
    last = before.unix_micros
    assert not isinstance(before.value, str)
    if now >= last:
        return TimedValue(before.value * decay_factor(now - last, half_life_micros) + weight, now)
    return TimedValue(before.value + weight * decay_factor(last - now, half_life_micros), last)


def add_distinct(digests: bytes, values: Sequence[str], cap: int, digest_of: Callable[[str], bytes]) -> bytes:
    """Add values to a set of digests until it is full."""
    for value in values:
        if len(digests) >= cap * WIDTH:
            break
        new = digest_of(value)
        if not contains(digests, new):
            digests += new
    return digests


def _limited(total: int) -> int:
    return max(-MAX_MONEY_MICROS, min(MAX_MONEY_MICROS, total))


def _lines(aggregate: Aggregate, namespace: dict[str, object]) -> list[str]:
    """Write the lines that fold an event into the slot of one aggregate."""
    attribute = aggregate.attribute
    event_tests: list[str] = []
    item_tests: list[str] = []
    for condition in aggregate.where:
        named = attribute_named(condition.attribute)
        assert named is not None
        (item_tests if named.of_item else event_tests).append(_test(named, condition, namespace))
    if attribute is not None and attribute.of_item:
        event_tests.append(f"(values := {_items(attribute.source, [*item_tests, *_presence(attribute)])})")
        value = _REDUCED[aggregate.kind]
    elif attribute is not None:
        event_tests += [f"any({_items('True', item_tests)})"] if item_tests else []
        event_tests.append(f"(value := {attribute.source}){' is not None' if attribute.missing == 'None' else ''}")
        value = "(value,)" if aggregate.kind == "distinct" else "value"
    elif item_tests:
        event_tests.append(f"(values := {_items('1', item_tests)})")
        value = "len(values)"
    else:
        value = "1"
    indent = "    "
    lines = []
    if event_tests:
        lines.append(f"{indent}if {' and '.join(event_tests)}:")
        indent *= 2
    return lines + [indent + line for line in _change(aggregate, value, namespace)]


_REDUCED = {
    "sum": "sum(values)",  # of integers: the sum of floats differs between releases of Python
    "decayed_sum": "sum(values)",
    "min": "min(values)",
    "max": "max(values)",
    "last": "values[-1]",
    "distinct": "values",
}
"""What the items of one event bring."""


def _change(aggregate: Aggregate, value: str, namespace: dict[str, object]) -> list[str]:
    """Write the slot's new value."""
    key, attribute = aggregate.key, aggregate.attribute
    match aggregate.kind:
        case "count":
            return [f"slots[{key}] = slots.get({key}, 0) + {value}"]
        case "sum":
            if attribute is not None and attribute.is_float:
                return [f"slots[{key}] = slots.get({key}, 0.0) + {value}"]
            return [f"slots[{key}] = limited(slots.get({key}, 0) + {value})"]
        case "decayed_sum":
            if attribute is not None and attribute.scale != 1:
                value = f"{value} / {attribute.scale}"
            half_life = aggregate.half_life_micros
            return [f"slots[{key}] = add_decayed(slots.get({key}), {value}, now, {half_life})"]
        case "distinct":
            function = f"digest_{key}"
            # Products, categories and brands recur; labels may be anything, and would only fill the cache.
            namespace[function] = product_digest if aggregate.of.startswith("item.") else digest
            return [f"slots[{key}] = add_distinct(slots.get({key}, b''), {value}, {aggregate.cap}, {function})"]
    if attribute is not None and attribute.is_float:
        value = f"float({value})"
    if aggregate.kind in ("last", "time_since_last"):
        value = value if aggregate.kind == "last" else "0"
        comparison, new = "before.unix_micros <= now", f"TimedValue({value}, now)"
    else:
        comparison, new = f"before {'>' if aggregate.kind == 'min' else '<'} {value}", value
    return [
        f"before = slots.get({key})",
        f"if before is None or {comparison}:",
        f"    slots[{key}] = {new}",
    ]


def _items(value: str, tests: Sequence[str]) -> str:
    return f"[{value} for item in event.items{' if ' if tests else ''}{' and '.join(tests)}]"


def _presence(attribute: Attribute) -> list[str]:
    return [attribute.source] if attribute.missing == "falsy" else []


def _test(attribute: Attribute, condition: Condition, namespace: dict[str, object]) -> str:
    """Write the test of a condition; bounds and values become those that the expression has."""
    if condition.values:
        name = f"values_{len(namespace)}"
        namespace[name] = frozenset(_as_stored(attribute, value) for value in condition.values)
        return f"{attribute.source} in {name}"
    tests = []
    if attribute.missing == "None":
        tests.append(f"(number := {attribute.source}) is not None")
    else:
        tests += [f"(number := {attribute.source})"] if attribute.missing == "falsy" else []
    number = "number" if tests else attribute.source
    low = "" if condition.low is None else f"{_as_stored(attribute, condition.low)!r} <= "
    high = "" if condition.high is None else f" <= {_as_stored(attribute, condition.high)!r}"
    return " and ".join([*tests, f"{low}{number}{high}"])


def _as_stored(attribute: Attribute, value: str | float) -> object:
    if attribute.kind == "device":
        return Device[str(value)]
    if isinstance(value, str) or attribute.scale == 1:
        return value
    return round(value * attribute.scale)
