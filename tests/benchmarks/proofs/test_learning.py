"""The shop of the demo of learning: visitors change in the middle, and only then."""

from __future__ import annotations

from benchmarks.proofs.learning.live_auc import DayAuc, plot
from benchmarks.proofs.learning.shop import DAYS, changing_events, day_of
from presage_featurizer import EventType


def test_after_the_change_buyers_have_no_cart_and_others_fill_theirs():
    events = changing_events(visitors=60, seed=3)
    bought = {(event.user_id, event.session_id) for event in events if event.type == EventType.PURCHASE}
    carts = [
        (day_of(event) >= DAYS // 2, (event.user_id, event.session_id) in bought)
        for event in events
        if event.type == EventType.ADD_TO_CART
    ]
    assert set(carts) == {(False, False), (False, True), (True, False)}
    assert carts.count((True, False)) > carts.count((False, False))


def test_both_curves_are_drawn():
    drawn = plot({0: DayAuc(9, 0.7, 0.6), 27: DayAuc(9, 0.8, 0.5)}, 27)
    assert drawn.startswith("<svg xmlns=")
    assert drawn.count("<polyline") == 2
    assert "learning off: the first model" in drawn
