from __future__ import annotations

from presage_featurizer import VISITOR, EventType, encode_state, visitor_subject
from presage_featurizer.aggregates import Aggregate, Aggregates
from support.events import STORY, fold_all


def test_every_event_concerns_its_visitor():
    assert [VISITOR.ids(each) for each in STORY] == [("visitor",)] * len(STORY)


def test_a_visitor_is_folded_and_stored_as_a_state():
    state = None
    for each in STORY:
        state = VISITOR.fold(state, each)
    assert state == fold_all(STORY)
    assert VISITOR.encode(state) == encode_state(state)
    assert VISITOR.decode(b"revision" + VISITOR.encode(state), 8) == state


def test_a_visitor_may_have_aggregates():
    searches = Aggregate(kind="count", over="visitor", events=(EventType.SEARCH,))
    subject = visitor_subject(Aggregates([searches]))
    state = None
    for each in STORY:
        state = subject.fold(state, each)
    assert state.slots == {searches.key: 1}
    assert subject.decode(subject.encode(state), 0) == state
