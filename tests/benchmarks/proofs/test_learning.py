"""The demo of learning: its shop, where visitors change in the middle and only then, and trainings after five purchases each."""

from __future__ import annotations

from itertools import combinations

import pytest

from benchmarks.proofs.learning.fives import retrain_by_fives
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


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_each_five_purchases_give_a_model_with_other_importances_without_a_restart(tmp_path):
    found = retrain_by_fives(tmp_path, times=3, seed=3)

    assert [retraining.purchases for retraining in found] == [200, 205, 210, 215]
    assert len({retraining.version for retraining in found}) == 4
    for first, second in combinations(found, 2):
        assert first.importances != second.importances
    assert all(sum(retraining.importances.values()) == pytest.approx(1.0) for retraining in found)
