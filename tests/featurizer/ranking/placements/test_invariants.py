"""What holds for any candidates and any placement."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_featurizer.ranking.placements import (
    Exploration,
    FreshnessBoost,
    Placement,
    Scored,
    arrange,
    place_probabilities,
)
from support.shelves import Good, Shelf

goods = st.lists(
    st.builds(
        Good,
        category=st.sampled_from(["", "a", "b", "c"]),
        brand=st.sampled_from(["", "x", "y"]),
        price=st.integers(0, 40),
        stock=st.sampled_from([-1, 0, 1, 9]),
        blocked=st.sampled_from([False, False, False, True]),
        age_days=st.integers(0, 60),
        shows=st.integers(0, 30),
        clicks=st.integers(0, 30),
    ),
    max_size=14,
)
explorations = st.builds(
    Exploration,
    slots=st.lists(st.integers(1, 8), min_size=1, max_size=4, unique=True).map(tuple),
    method=st.sampled_from(["epsilon-greedy", "thompson"]),
    epsilon=st.floats(0.01, 1.0),
    max_age_days=st.sampled_from([None, 10.0]),
)
placements = st.builds(
    Placement,
    hide_out_of_stock=st.booleans(),
    max_per_category=st.integers(0, 3),
    max_per_brand=st.integers(0, 3),
    diversity=st.sampled_from([0.0, 0.2, 1.0]),
    freshness_boost=st.none()
    | st.builds(FreshnessBoost, places=st.floats(0.5, 9.0), half_life_days=st.floats(0.1, 30.0)),
    cheaper_alternatives=st.integers(0, 3),
    fill_up=st.booleans(),
    exploration=st.none() | explorations,
)


@st.composite
def calls(draw):
    shelf = Shelf(draw(goods))
    cold = draw(st.integers(0, 2))
    size = len(shelf) + cold
    scored = shelf.scored(draw(st.lists(st.integers(-3, 3), min_size=size, max_size=size)), cold)
    call = {
        "k": draw(st.integers(1, 10)),
        "budget_micros": draw(st.none() | st.integers(0, 60_000_000)),
        "cart_micros": draw(st.integers(0, 30_000_000)),
    }
    return shelf, scored, draw(placements), call


@settings(max_examples=400)
@given(calls(), st.integers(0, 2**64 - 1))
def test_a_list_keeps_to_its_placement(call, seed):
    shelf, scored, placement, arguments = call
    arranged = arrange(scored, placement, shelf.items, seed=seed, **arguments)
    places, rules = arranged.places.tolist(), arranged.rules
    shown = [True] * len(scored)
    for place, good in enumerate(shelf.goods):
        shown[place] = not good.blocked and (good.stock != 0 or not placement.hide_out_of_stock)
    assert len(places) == len(set(places)) == len(rules) == len(arranged.propensities)
    for place in places:
        assert shown[place]
    assert ((arranged.propensities > 0.0) & (arranged.propensities <= 1.0)).all()
    available = min(arguments["k"], sum(shown))
    limited = placement.max_per_category or placement.max_per_brand
    assert len(places) == available or (limited and not placement.fill_up and len(places) < available)
    # Exploration and filling up stand above the limits; nothing else does.
    kept = [place for place, moved in zip(places, rules, strict=True) if not {"exploration", "fill_up"} & set(moved)]
    known = [shelf.goods[place] for place in kept if place < len(shelf)]
    for limit, names in (
        (placement.max_per_category, [good.category for good in known]),
        (placement.max_per_brand, [good.brand for good in known]),
    ):
        counts = Counter(name for name in names if name)
        assert not limit or max(counts.values(), default=0) <= limit


@settings(max_examples=200)
@given(calls(), st.integers(0, 2**64 - 1), st.randoms())
def test_the_same_call_gives_the_same_list_in_whatever_order_candidates_come(call, seed, random):
    shelf, scored, placement, arguments = call
    arranged = arrange(scored, placement, shelf.items, seed=seed, **arguments)
    again = arrange(scored, placement, shelf.items, seed=seed, **arguments)
    assert again.places.tobytes() == arranged.places.tobytes()
    assert again.propensities.tobytes() == arranged.propensities.tobytes()
    assert again.rules == arranged.rules
    order = list(range(len(scored)))
    random.shuffle(order)
    shuffled = Scored(scored.rows[order], scored.digests[order], scored.scores[order], scored.sources[order])
    other = arrange(shuffled, placement, shelf.items, seed=seed, **arguments)
    assert shuffled.rows[other.places].tolist() == scored.rows[arranged.places].tolist()
    assert other.propensities == pytest.approx(arranged.propensities)
    assert other.rules == arranged.rules


@settings(max_examples=200)
@given(calls(), st.integers(0, 2**64 - 1))
def test_propensities_are_those_of_all_that_may_come_to_a_place(call, seed):
    shelf, scored, placement, arguments = call
    arranged = arrange(scored, placement, shelf.items, seed=seed, **arguments)
    every = place_probabilities(scored, placement, shelf.items, **arguments)
    assert every.shape == (len(arranged.places), len(scored))
    assert every.sum(axis=1) == pytest.approx(np.ones(len(every)))
    assert every[np.arange(len(every)), arranged.places] == pytest.approx(arranged.propensities)


@settings(max_examples=100)
@given(calls())
def test_without_rules_the_order_is_kept(call):
    shelf, scored, _, arguments = call
    arranged = arrange(scored, Placement(hide_out_of_stock=False), shelf.items, seed=0, **arguments)
    order = np.lexsort((scored.digests, -scored.scores)).tolist()
    rest = [place for place in order if place >= len(shelf) or not shelf.goods[place].blocked]
    assert arranged.places.tolist() == rest[: arguments["k"]]
    assert not any(arranged.rules)


@pytest.mark.parametrize("method", ["epsilon-greedy", "thompson"])
@pytest.mark.parametrize(("pool", "slots"), [(1, (1, 3)), (2, (2,)), (5, (1, 2, 4))])
def test_lists_are_drawn_as_often_as_their_propensities_say(method, pool, slots):
    draws, k = 10_000, 4
    shelf = Shelf([Good("a", shows=10 * row, clicks=row) for row in range(k + pool)])
    exploration = Exploration(slots=slots, method=method, epsilon=0.5)
    call = {"k": k, "budget_micros": None, "cart_micros": 0}
    every = place_probabilities(shelf.scored(), Placement(exploration=exploration), shelf.items, **call)
    counts = np.zeros_like(every)
    for seed in range(draws):
        arranged = arrange(shelf.scored(), Placement(exploration=exploration), shelf.items, seed=seed, **call)
        counts[np.arange(k), arranged.places] += 1
    # Five standard errors, of the widest share.
    assert np.abs(counts / draws - every).max() < 5 * 0.5 / draws**0.5
    assert ((counts == 0) == (every == 0.0)).all()


def test_epsilon_greedy_by_draws_and_by_enumeration():
    draws, epsilon, k, size = 50_000, 0.3, 3, 8
    shelf = Shelf([Good()] * size)
    scored = shelf.scored()
    placement = Placement(exploration=Exploration(slots=(2,), epsilon=epsilon))
    counts = np.zeros((k, size))
    for seed in range(draws):
        arranged = arrange(scored, placement, shelf.items, k=k, budget_micros=None, cart_micros=0, seed=seed)
        counts[np.arange(k), arranged.places] += 1
    share = epsilon / size
    enumerated = np.zeros((k, size))
    enumerated[1] = share
    enumerated[1, 1] += 1 - epsilon
    for place in (0, 2):
        enumerated[place, [place, 1]] = 1 - share, share
    assert enumerated.sum(axis=1) == pytest.approx(np.ones(k))
    assert np.abs(counts / draws - enumerated).max() < 5 * 0.5 / draws**0.5
    assert ((counts == 0) == (enumerated == 0.0)).all()
    every = place_probabilities(scored, placement, shelf.items, k=k, budget_micros=None, cart_micros=0)
    assert every == pytest.approx(enumerated)


def test_whatever_may_be_shown_may_come_to_a_slot():
    shelf = Shelf([Good("a", shows=row, clicks=row // 3) for row in range(9)])
    for method in ("epsilon-greedy", "thompson"):
        placement = Placement(exploration=Exploration(slots=(1, 3), method=method), max_per_category=2)
        every = place_probabilities(shelf.scored(), placement, shelf.items, k=5, budget_micros=None, cart_micros=0)
        # All but the item of the other slot.
        assert (every[0] > 0).sum() == (every[2] > 0).sum() == 8
