from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from presage_featurizer.ranking.items_counter import CatalogueChange, item_number
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.placements import (
    Exploration,
    FreshnessBoost,
    Placement,
    Scored,
    arrange,
    place_probabilities,
)
from support.shelves import Good, Shelf

MILLION = 1_000_000


def listed(shelf, placement, *, k=20, budget=None, cart=0, seed=1, scored=None):
    return arrange(
        shelf.scored() if scored is None else scored,
        placement,
        shelf.items,
        k=k,
        budget_micros=budget,
        cart_micros=cart,
        seed=seed,
    )


def test_without_rules_the_order_is_that_of_the_scores_and_ties_go_by_digest():
    shelf = Shelf([Good()] * 6)
    arranged = listed(shelf, Placement(), scored=shelf.scored([1.0, 2.0, 1.0, 3.0, 1.0, 1.0]), k=5)
    tied = sorted([0, 2, 4, 5], key=lambda row: shelf.digests[row])
    assert arranged.places.tolist() == [3, 1, *tied[:3]]
    assert arranged.propensities.tolist() == [1.0] * 5
    assert arranged.rules == ((),) * 5


def test_blocked_items_and_those_without_stock_are_left_out():
    shelf = Shelf([Good(blocked=True), Good(stock=0), Good(stock=3), Good(), Good(blocked=True, stock=0)])
    assert listed(shelf, Placement()).places.tolist() == [2, 3]
    assert listed(shelf, Placement(hide_out_of_stock=False)).places.tolist() == [1, 2, 3]


def test_items_that_the_columns_do_not_have_are_shown():
    shelf = Shelf([Good(blocked=True), Good(stock=0)])
    placement = Placement(max_per_category=1, diversity=0.5, cheaper_alternatives=1, max_per_brand=1)
    assert listed(shelf, placement, scored=shelf.scored(cold=2), budget=1).places.tolist() == [2, 3]
    empty = Shelf([])
    assert listed(empty, placement, scored=empty.scored(cold=2), budget=1).places.tolist() == [0, 1]
    assert listed(empty, placement).places.tolist() == []


def test_the_catalogue_s_word_holds_for_items_that_no_bucket_has_yet():
    shelf = Shelf([Good("a", price=90)])
    for number, change in enumerate(
        (CatalogueChange("x", blocked=True), CatalogueChange("y", stock=0), CatalogueChange("z"))
    ):
        shelf.items.apply_change(change)
        digests = np.array([shelf.digests[0], item_number(change.item_id)], np.uint64)
        scored = Scored(np.array([0, 1]), digests, np.zeros(2), np.zeros(2, np.uint8))
        assert len(listed(shelf, Placement(), scored=scored).places) == (2 if number == 2 else 1)


def test_values_that_were_read_before_count_more_than_the_columns():
    shelf = Shelf([Good("a", stock=0), Good("a"), Good("a")])
    live = LiveValues(np.zeros(3), np.array([1, 0, -1]), np.array([False, False, True]), [()] * 3)
    scored = replace(shelf.scored(), live=live)
    assert listed(shelf, Placement(), scored=scored).places.tolist() == [0]


def test_a_limit_passes_over_items_and_the_list_is_filled_up_with_them():
    shelf = Shelf([Good("a"), Good("a"), Good("a"), Good("b"), Good(), Good()])
    arranged = listed(shelf, Placement(max_per_category=1))
    assert arranged.places.tolist() == [0, 3, 4, 5, 1, 2]
    assert arranged.rules == ((), (), (), (), *[("max_per_category", "fill_up")] * 2)
    assert listed(shelf, Placement(max_per_category=1), k=5).places.tolist() == [0, 3, 4, 5, 1]
    assert listed(shelf, Placement(max_per_category=1, fill_up=False)).places.tolist() == [0, 3, 4, 5]


def test_both_limits_are_named_where_both_are_reached():
    shelf = Shelf([Good("a", "x"), Good("a", "x"), Good("b", "x")])
    arranged = listed(shelf, Placement(max_per_category=1, max_per_brand=1))
    assert arranged.rules == ((), ("max_per_category", "max_per_brand", "fill_up"), ("max_per_brand", "fill_up"))


def test_new_items_move_up_by_places_and_by_half_after_a_half_life():
    shelf = Shelf([Good(age_days=100)] * 10 + [Good(age_days=0), Good(age_days=100), Good(age_days=7)])
    arranged = listed(shelf, Placement(freshness_boost=FreshnessBoost(places=4.5, half_life_days=7)))
    # 10 - 4.5 comes before 6, and 12 - 2.25 before 10, of which the old ones remain.
    assert arranged.places.tolist() == [0, 1, 2, 3, 4, 5, 10, 6, 7, 8, 9, 12, 11]
    assert [place for place, rules in zip(arranged.places, arranged.rules, strict=True) if rules] == [10, 12]
    assert arranged.rules[6] == ("freshness_boost",)


def test_an_affordable_item_of_the_category_comes_ahead_of_one_that_exceeds_the_budget():
    shelf = Shelf([Good("a", price=50), Good("b", price=60), Good("a", price=20), Good("b", price=30), Good("a")])
    placement = Placement(cheaper_alternatives=1)
    assert listed(shelf, placement, budget=50 * MILLION, cart=20 * MILLION).places.tolist() == [2, 0, 1, 3, 4]
    both = listed(shelf, Placement(cheaper_alternatives=2), budget=50 * MILLION, cart=20 * MILLION)
    assert both.places.tolist() == [2, 0, 3, 1, 4]
    assert both.rules == (("cheaper_alternatives",), (), ("cheaper_alternatives",), (), ())
    # All are affordable, or no budget is known.
    for budget, cart in ((60 * MILLION, 0), (None, MILLION)):
        assert listed(shelf, placement, budget=budget, cart=cart).places.tolist() == [0, 1, 2, 3, 4]


def test_once_nothing_is_left_whatever_is_cheaper_is_affordable():
    prices = [("a", 50), ("a", 60), ("b", 9), ("a", 20), ("", 1), ("a", 0), ("a", 10), ("b", 9), ("a", 30)]
    shelf = Shelf([Good(category, price=price) for category, price in prices])
    for budget, cart in ((60 * MILLION, 60 * MILLION), (60 * MILLION, 70 * MILLION), (0, 0)):
        places = [
            listed(shelf, Placement(cheaper_alternatives=slots), budget=budget, cart=cart).places.tolist()
            for slots in (1, 2, 9)
        ]
        assert places[0] == [3, 0, 1, 2, 4, 5, 6, 7, 8]
        assert places[1] == [3, 0, 6, 1, 2, 4, 5, 7, 8]
        # 30 does not go ahead of 20, which moved up itself; and of equal prices neither is the cheaper one.
        assert places[2] == places[1]
        arranged = listed(shelf, Placement(cheaper_alternatives=1), k=2, budget=budget, cart=cart)
        assert arranged.places.tolist() == [3, 0]
        assert arranged.rules == (("cheaper_alternatives",), ())


def test_a_price_counts_as_it_is_written():
    shelf = Shelf([Good("a", price=50), Good("a", price=1)])
    shelf.items.apply_change(CatalogueChange("item-1", price_micros=19_990_000))
    assert listed(shelf, Placement(cheaper_alternatives=1), budget=19_990_000).places.tolist() == [1, 0]
    assert listed(shelf, Placement(cheaper_alternatives=1), budget=19_989_999).places.tolist() == [0, 1]


def test_only_the_items_of_the_list_get_cheaper_ones():
    shelf = Shelf([Good("a", price=1), Good("b", price=50), Good("b", price=1)])
    assert listed(shelf, Placement(cheaper_alternatives=1), k=1, budget=10 * MILLION).places.tolist() == [0]


def test_diversity_puts_unlike_items_side_by_side():
    shelf = Shelf([Good("a", "x", 10), Good("a", "x", 10), Good("b", "y", 40), Good("b", "y", 40)])
    arranged = listed(shelf, Placement(diversity=0.5))
    assert arranged.places.tolist() == [0, 2, 1, 3]
    assert arranged.rules == ((), ("diversity",), (), ())
    assert listed(shelf, Placement(diversity=0.01)).places.tolist() == [0, 1, 2, 3]


def test_items_of_unknown_category_are_unlike_each_other():
    shelf = Shelf([Good(), Good(), Good("a"), Good("a")])
    assert listed(shelf, Placement(diversity=1.0)).places.tolist() == [0, 1, 2, 3]
    assert listed(Shelf([Good("a"), Good("a"), Good(), Good()]), Placement(diversity=1.0)).places.tolist() == [
        0,
        2,
        3,
        1,
    ]


def test_a_drawn_item_is_named_and_says_how_likely_it_was():
    shelf = Shelf([Good()] * 6)
    placement = Placement(exploration=Exploration(slots=(2,), epsilon=1.0))
    found = {tuple(listed(shelf, placement, k=3, seed=seed).places.tolist()) for seed in range(200)}
    # Items of the list change places with that of the slot, which leaves it for others.
    assert found == {(0, 1, 2), (1, 0, 2), (0, 2, 1), (0, 3, 2), (0, 4, 2), (0, 5, 2)}
    for seed in range(50):
        arranged = listed(shelf, placement, k=3, seed=seed)
        moved = arranged.places != np.arange(3)
        assert arranged.propensities == pytest.approx(np.where(np.arange(3) == 1, 1 / 6, np.where(moved, 1 / 6, 5 / 6)))
        assert arranged.rules == tuple(("exploration",) if place else () for place in moved)


def test_only_new_items_are_drawn_if_the_placement_says_so():
    shelf = Shelf([Good(age_days=50), Good(age_days=50), Good(age_days=15), Good(age_days=13)])
    placement = Placement(exploration=Exploration(slots=(1,), epsilon=1.0, max_age_days=14))
    drawn = {int(listed(shelf, placement, k=1, seed=seed).places[0]) for seed in range(50)}
    assert drawn == {0, 3}
    with_cold = {
        int(listed(shelf, placement, k=1, seed=seed, scored=shelf.scored(cold=1)).places[0]) for seed in range(50)
    }
    assert with_cold == {0, 3, 4}


def test_slots_beyond_the_list_and_an_empty_choice_change_nothing():
    for goods, slots in ((2, (1, 2, 9)), (3, (7,)), (1, (1,)), (0, (1,))):
        shelf = Shelf([Good()] * goods)
        arranged = listed(shelf, Placement(exploration=Exploration(slots=slots, epsilon=1.0)))
        assert arranged.places.tolist() == list(range(goods))
        assert arranged.propensities.tolist() == [1.0] * goods


def test_thompson_prefers_what_is_clicked_and_does_not_give_up_the_rest():
    shelf = Shelf(
        [Good("a", shows=1000, clicks=20), Good("a", shows=400, clicks=60), Good("a", shows=400, clicks=2), Good("a")]
    )
    placement = Placement(exploration=Exploration(slots=(1,), method="thompson"))
    seen: dict[int, float] = {}
    for seed in range(400):
        arranged = listed(shelf, placement, k=1, seed=seed)
        seen[int(arranged.places[0])] = float(arranged.propensities[0])
    assert seen[1] > 0.5 > seen[3] > seen.get(0, 0.0)
    assert all(share >= 0.02 / 4 for share in seen.values())


@pytest.mark.parametrize("alike", [2, 5])
def test_thompson_draws_items_of_which_nothing_is_known_evenly(alike):
    shelf = Shelf([Good("a")] * alike)
    placement = Placement(exploration=Exploration(slots=(1,), method="thompson"))
    assert listed(shelf, placement, k=1).propensities[0] == pytest.approx(1 / alike)


def test_thompson_is_close_to_drawing_rates():
    shelf = Shelf([Good("a", shows=100, clicks=10), Good("a", shows=50, clicks=8), Good("a", shows=20, clicks=1)])
    placement = Placement(exploration=Exploration(slots=(1,), method="thompson", prior_shows=50))
    found = place_probabilities(shelf.scored(), placement, shelf.items, k=1, budget_micros=None, cart_micros=0)[0]
    overall = (19 + 1) / (170 + 50)
    rate = (19 + 50 * overall) / (170 + 50)
    random = np.random.default_rng(5)
    clicks, shows = np.array([10, 8, 1]), np.array([100, 50, 20])
    drawn = random.beta(50 * rate + clicks, 50 * (1 - rate) + shows - clicks, size=(200_000, 3)).argmax(axis=1)
    wins = np.bincount(drawn, minlength=3) / 200_000
    # A part of 0.02 is spread evenly.
    assert np.abs(found - (0.98 * wins + 0.02 / 3)).max() < 0.01
