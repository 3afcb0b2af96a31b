"""What becomes of stored states where the log lacks events, has them twice, or is read with other declarations."""

from __future__ import annotations

import pytest

from presage_featurizer import NO_AGGREGATES, Event, EventType, encode_state, fold
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.event_log import EntryId
from presage_featurizer.state import MAX_RECENT_EVENTS
from presage_server.backfill.histories import Histories
from presage_server.backfill.resolving import Outcome, Resolver
from support.events import START_UNIX_MICROS

DAY_MILLIS = 86_400_000
START_MILLIS = START_UNIX_MICROS // 1_000
OLD = CustomFeatures.parse(
    'name = "shop"\nextends = []\n[features]\nall = { aggregate = "count", over = "visitor" }\n'
).aggregates
NEW = CustomFeatures.parse(
    'name = "shop"\nextends = []\n[features]\nall = { aggregate = "count", over = "visitor" }\n'
    'views = { aggregate = "count", over = "session", events = ["PURCHASE"] }\n'
    'bought = { aggregate = "count", over = "visitor", events = ["PURCHASE"] }\n'
).aggregates


def purchases(count):
    return [
        Event(str(number), EventType.PURCHASE, "ada", START_UNIX_MICROS + number * 1_000_000, value_micros=10_000_000)
        for number in range(count)
    ]


def folded(events, aggregates=OLD, state=None):
    for event in events:
        state = fold(state, event, aggregates)
    return state


def resolve(stored, *lives, aggregates=OLD, rebuild=True, begins=True, log_is_whole=True):
    """Resolve a stored state against a log of some lives, each of which begins without a state."""
    histories = Histories(aggregates, join_gaps_millis=30 * DAY_MILLIS if rebuild else None)
    millis = START_MILLIS
    for number, life in enumerate(lives):
        for place, event in enumerate(life):
            millis += 1
            fresh = place == 0 and (begins or number > 0)
            histories.fold(1, EntryId(millis, 0), event, fresh=fresh)
    resolver = Resolver(aggregates, rebuild=rebuild, state_ttl_millis=30 * DAY_MILLIS)
    blob = b"12345678" + encode_state(stored)
    return resolver.resolve(blob, histories.of(1)["ada"], millis + 10, log_is_whole=log_is_whole)


def altered(state):
    """Return a state as an older release may have folded it."""
    changed = folded([], state=state)
    changed.bounced_sessions += 1
    return changed


@pytest.mark.parametrize("count", [5, MAX_RECENT_EVENTS + 50])
def test_a_rebuild_keeps_a_state_that_knows_events_which_the_log_lacks(count):
    events = purchases(count)
    stored = folded(events)
    found = resolve(stored, [events[0], *events[4:]])
    assert found.outcome is Outcome.DIFFERENT
    assert (found.state or stored).orders == count


@pytest.mark.parametrize("count", [5, MAX_RECENT_EVENTS + 50])
def test_a_rebuild_replaces_a_state_that_another_release_folded_from_the_same_events(count):
    events = purchases(count)
    found = resolve(altered(folded(events)), events)
    assert (found.outcome, found.state) == (Outcome.REPLACED, folded(events))


@pytest.mark.parametrize("flaw", [{"begins": False}, {"log_is_whole": False}])
def test_a_long_history_is_not_replaced_where_the_log_has_no_beginning_or_a_known_hole(flaw):
    events = purchases(MAX_RECENT_EVENTS + 50)
    stored = altered(folded(events))
    found = resolve(stored, events, **flaw)
    assert found.outcome in {Outcome.OLDER, Outcome.DIFFERENT}
    assert found.state is None


@pytest.mark.parametrize(
    "lower",
    [
        lambda state: setattr(state, "orders", state.orders + 1),
        lambda state: setattr(state, "closed_sessions", state.closed_sessions + 1),
        lambda state: setattr(state, "first_seen_unix_micros", state.first_seen_unix_micros - 1),
        lambda state: setattr(state.habits, "item_views", 1),
        lambda state: state.habits.events.update({int(EventType.SEARCH): 1}),
    ],
)
def test_a_long_history_is_not_replaced_by_one_that_counts_less(lower):
    events = purchases(MAX_RECENT_EVENTS + 50)
    stored = folded(events)
    lower(stored)
    assert resolve(stored, events).outcome is Outcome.DIFFERENT


@pytest.mark.parametrize("begins", [True, False])
@pytest.mark.parametrize("since", [[3], [4], [3, 5], [5], [5, 6]])
def test_a_rebuild_brings_back_what_a_lost_state_had_whatever_came_since(since, begins):
    events = purchases(7)
    again = [events[number] for number in since]
    found = resolve(folded(again), events[:5], again, begins=begins)
    expected = folded([*events[:5], *again])
    assert (found.outcome, found.state) == (Outcome.REPLACED, expected)
    settled = resolve(expected, events[:5], again, begins=begins)
    assert (settled.outcome, settled.state) == (Outcome.UNCHANGED, None)


def test_a_long_life_after_a_loss_is_joined_even_where_older_events_are_missing():
    events = purchases(MAX_RECENT_EVENTS + 50)
    found = resolve(folded(events[5:]), events[2:5], events[5:], begins=False, log_is_whole=False)
    assert (found.outcome, found.state) == (Outcome.REPLACED, folded(events[2:]))


def test_slots_of_a_state_that_is_kept_do_not_reach_further_back_than_the_rest_of_it():
    events = purchases(9)
    stored = folded(events[5:], NO_AGGREGATES)
    found = resolve(stored, events[:5], events[6:])
    assert found.outcome is Outcome.DIFFERENT
    assert list(found.state.slots.values()) == [3]
    joined = folded(events)
    found = resolve(joined, events[:5], events[6:])
    assert found.state is None


@pytest.mark.parametrize("rebuild", [True, False])
@pytest.mark.parametrize("aggregates", [OLD, NO_AGGREGATES])
def test_slots_of_declarations_that_the_project_folder_lacks_are_kept(rebuild, aggregates):
    events = purchases(3)
    stored = folded(events, NEW)
    found = resolve(stored, events, aggregates=aggregates, rebuild=rebuild)
    assert (found.outcome, found.state) == (Outcome.UNCHANGED, None)

    late = folded(events[2:], NEW, folded(events[:2], NO_AGGREGATES))  # declared before the last event
    found = resolve(late, events, aggregates=OLD, rebuild=rebuild)
    assert found.outcome is Outcome.BACKFILLED
    (key,) = folded(events, OLD).slots
    assert found.state.slots == late.slots | {key: 3}
    assert found.state.sessions == late.sessions


def test_a_rebuild_keeps_slots_that_it_does_not_know():
    events = purchases(7)
    stored = folded(events[5:], NEW)
    found = resolve(stored, events[:5], events[5:], aggregates=NO_AGGREGATES)
    assert found.outcome is Outcome.REPLACED
    assert found.state.slots == stored.slots
    assert found.state.orders == 7
    assert [session.slots for session in found.state.sessions] == [session.slots for session in stored.sessions]
