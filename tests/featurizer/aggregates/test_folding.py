from __future__ import annotations

import pickle

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer import EventType, decode_state, encode_state, fold
from presage_featurizer.aggregates import NO_AGGREGATES, Aggregate, Aggregates
from presage_featurizer.custom.declared import declared_feature
from presage_featurizer.custom.reading import declared_features
from presage_featurizer.custom.shape import FeatureShape
from presage_featurizer.digests import WIDTH
from presage_featurizer.fold import begin, fold_into
from presage_featurizer.state import ALL_PARTS, State, TimedValue
from presage_featurizer.view import View
from support.aggregate_oracle import shapes, value_of_feature
from support.events import MINUTE_MICROS, any_log, at, event, item, logs

COUNT = Aggregate(kind="count", over="visitor")
SEARCHES = Aggregate(kind="count", over="session", events=(EventType.SEARCH,))


def features_of(drawn):
    declared = [declared_feature(f"feature_{number}", shape) for number, shape in enumerate(drawn)]
    return Aggregates(each.aggregate for each in declared), list(declared_features(declared).values())


def without_duplicates(log):
    first = {}
    for each in log:
        first.setdefault(each.event_id, each)
    return list(first.values())


@settings(deadline=None, max_examples=200)
@given(
    drawn=st.lists(shapes(), min_size=1, max_size=8), log=logs(in_order=False, huge=False), later=st.integers(-9, 99)
)
def test_features_are_those_of_the_events_themselves(drawn, log, later):
    aggregates, features = features_of(drawn)
    log = without_duplicates(log)
    state = begin(log[0])
    of_sessions = {}
    for each in log:
        session = fold_into(state, each, ALL_PARTS, aggregates)
        if session is not None:
            of_sessions.setdefault(id(session), (session, []))[1].append(each)
    now = state.last_seen_unix_micros + later * MINUTE_MICROS
    view = View(state, now, "", "UTC", {})
    _, in_session = of_sessions.get(id(view.session), (None, []))
    for shape, feature in zip(drawn, features, strict=True):
        expected = value_of_feature(shape, log if shape.over == "visitor" else in_session, now)
        assert feature.compute(view) == pytest.approx(expected, rel=1e-9, abs=1e-9), shape
        assert feature.low <= feature.compute(view) <= feature.high


@settings(deadline=None)
@given(drawn=st.lists(shapes(), min_size=1, max_size=8), log=any_log())
def test_states_are_the_same_whether_kept_in_memory_or_stored_after_each_event(drawn, log):
    aggregates, _ = features_of(drawn)
    kept = stored = None
    for each in log:
        before = None if kept is None else encode_state(kept)
        folded = fold(kept, each, aggregates)
        assert kept is None or encode_state(kept) == before  # fold leaves its argument alone
        kept = folded
        stored = decode_state(encode_state(fold(stored, each, aggregates)))
    assert stored == kept
    assert encode_state(stored) == encode_state(kept)


@settings(deadline=None)
@given(drawn=st.lists(shapes(), max_size=8), log=any_log())
def test_a_state_grows_only_by_what_is_declared(drawn, log):
    aggregates, _ = features_of(drawn)
    state = None
    for each in log:
        state = fold(state, each, aggregates)
    assert state.slots.keys() <= aggregates.visitor_keys
    assert all(session.slots.keys() <= aggregates.session_keys for session in state.sessions)
    sets = {each.key: each.cap for each in aggregates.aggregates if each.kind == "distinct"}
    for slots in (state.slots, *[session.slots for session in state.sessions]):
        assert all(len(value) <= sets[key] * WIDTH for key, value in slots.items() if isinstance(value, bytes))


@settings(deadline=None)
@given(log=any_log(), drawn=st.lists(shapes(), max_size=4))
def test_the_rest_of_a_state_does_not_depend_on_what_is_declared(log, drawn):
    aggregates, _ = features_of(drawn)
    plain = declared = None
    for each in log:
        plain, declared = fold(plain, each), fold(declared, each, aggregates)
    assert fold(declared, event(minutes=1e6)) == fold(plain, event(minutes=1e6))


def test_undeclared_slots_are_dropped_at_the_next_event():
    both, one = Aggregates([COUNT, SEARCHES]), Aggregates([COUNT])
    state = fold(None, event(EventType.SEARCH, 0), both)
    assert (state.slots, state.sessions[0].slots) == ({COUNT.key: 1}, {SEARCHES.key: 1})
    assert fold(state, event(EventType.SEARCH, 0), one) is state  # a duplicate changes nothing
    state = fold(state, event(EventType.LOGIN, 1), one)
    assert (state.slots, state.sessions[0].slots) == ({COUNT.key: 2}, {})
    state = fold(state, event(EventType.REFUND, 2), NO_AGGREGATES)
    assert state.slots == {}


def test_undeclared_slots_of_other_sessions_are_dropped_too():
    aggregates = Aggregates([SEARCHES])
    state = fold(None, event(EventType.SEARCH, 0, session_id="a"), aggregates)
    state = fold(state, event(EventType.SEARCH, 1, session_id="b"))
    assert [session.slots for session in state.sessions] == [{}, {}]


def test_refunds_reach_the_visitor_but_no_session():
    aggregates = Aggregates([COUNT, Aggregate(kind="count", over="session")])
    state = fold(fold(None, event(EventType.SEARCH, 0), aggregates), event(EventType.REFUND, 1), aggregates)
    assert (list(state.slots.values()), list(state.sessions[0].slots.values())) == ([2], [1])


def test_the_slots_of_a_session_end_with_it():
    aggregates = Aggregates([SEARCHES])
    state = fold(fold(None, event(EventType.SEARCH, 0), aggregates), event(EventType.SEARCH, 31), aggregates)
    assert [session.slots for session in state.sessions] == [{SEARCHES.key: 1}]


def test_equal_aggregates_share_a_slot():
    again = Aggregate(kind="count", over="visitor")
    assert Aggregates([COUNT, again]).aggregates == (COUNT,)
    assert fold(None, event(), Aggregates([COUNT, again])).slots == {COUNT.key: 1}


def test_a_type_that_concerns_no_aggregate_has_no_function():
    aggregates = Aggregates([SEARCHES])
    assert aggregates.visitor_updates == {}
    assert set(aggregates.session_updates) == {EventType.SEARCH}
    of_all = Aggregates([COUNT]).visitor_updates
    assert of_all[EventType.LOGIN] is of_all[EventType.REFUND]


def test_an_attribute_of_the_event_counts_once_if_some_item_fits():
    aggregates, (margin,) = features_of([_shape("sum", of="numbers.margin", where={"item.category": "hats"})])
    hats = (item("a", category="hats"), item("b", category="hats"), item("c"))
    state = fold(None, event(EventType.VIEW_ITEM, 0, *hats, numbers={"margin": 2.5}), aggregates)
    state = fold(state, event(EventType.VIEW_ITEM, 1, item("c"), numbers={"margin": 2.5}), aggregates)
    assert margin.compute(View(state, at(2), "", "UTC", {})) == 2.5


def test_whole_numbers_are_kept_as_floats_as_they_come_back_from_the_store():
    aggregates, _ = features_of([_shape(kind, of="numbers.margin") for kind in ("sum", "min", "max", "last")])
    state = fold(None, event(numbers={"margin": 3}), aggregates)
    values = [value.value if isinstance(value, TimedValue) else value for value in state.slots.values()]
    assert [type(value) for value in values] == [float] * 4


def test_money_is_summed_exactly_and_limited():
    aggregates, (spent,) = features_of([_shape("sum", of="value")])
    state = None
    for minute in range(10):
        state = fold(state, event(EventType.PURCHASE, minute, value=0.1), aggregates)
    assert list(state.slots.values()) == [1_000_000]
    state = fold(state, event(EventType.PURCHASE, 11, value=1e12), aggregates)
    assert spent.compute(View(state, at(12), "", "UTC", {})) == 1e12


def test_aggregates_can_be_pickled():
    aggregates = Aggregates([COUNT, SEARCHES])
    assert pickle.loads(pickle.dumps(aggregates)) == aggregates
    assert hash(aggregates) == hash(Aggregates([COUNT, SEARCHES]))
    assert aggregates != Aggregates([COUNT])


def test_a_state_with_slots_is_stored():
    slots = {1: 2, 3: 0.5, 4: b"12345678", 5: TimedValue("ads", 6), 7: TimedValue(0.5, 8), 2**32 - 1: TimedValue(1, 2)}
    state = State(slots=slots)
    assert decode_state(encode_state(state)) == state


def _shape(aggregate, over="visitor", **keys):
    return FeatureShape(aggregate=aggregate, over=over, **keys)
