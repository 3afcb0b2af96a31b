from __future__ import annotations

from presage_featurizer import VISITOR, encode_state
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
