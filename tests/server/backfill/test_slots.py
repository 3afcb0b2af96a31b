from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from presage_featurizer import NO_AGGREGATES, fold
from presage_featurizer.digests import WIDTH
from presage_server.backfill.slots import with_slots, without_slots
from support.backfills import CUSTOM
from support.events import STORY, any_log, fold_all


def folded(events, since):
    """Fold events, keeping slots from one of them on."""
    state = None
    for number, event in enumerate(events):
        state = fold(state, event, CUSTOM.aggregates) if number >= since else fold(state, event)
    return state


def of_visitor(state):
    """Return a visitor's slots; sets as sets, because the same digests may have come in another order."""
    return {key: members(value) if isinstance(value, bytes) else value for key, value in state.slots.items()}


def members(digests):
    return frozenset(digests[start : start + WIDTH] for start in range(0, len(digests), WIDTH))


@given(events=any_log(), data=st.data())
def test_of_two_ends_of_a_history_the_longer_one_is_kept(events, data):
    declared = data.draw(st.integers(0, len(events) - 1))
    archived = data.draw(st.integers(0, len(events) - 1))
    stored = folded(events, declared)
    replayed = folded(events[archived:], 0)
    before = fold_all(events)

    merged = with_slots(stored, replayed, CUSTOM.aggregates)

    assert without_slots(merged) == without_slots(stored) == before
    longer = folded(events, min(declared, archived))
    # Equal event ids make a replay that begins later count one that the whole history knows.
    if len({event.event_id for event in events}) == len(events):
        assert of_visitor(merged) == of_visitor(longer)
    assert with_slots(merged, replayed, CUSTOM.aggregates) == merged


def test_slots_that_nobody_declares_are_not_taken_over():
    stored, replayed = fold_all(STORY), folded(STORY, 0)
    assert with_slots(stored, replayed, NO_AGGREGATES) == stored
    assert without_slots(stored) is stored
    assert without_slots(replayed) == stored
    assert replayed.slots
