from __future__ import annotations

from collections import Counter
from itertools import permutations
from math import exp, log
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_training.simulator.choices import OUTSIDE, attention, choose, list_worth, regret_of

utilities = st.lists(st.floats(-10, 10), min_size=1, max_size=12)


def test_a_list_of_nothing_is_worth_nothing():
    assert list_worth([]) == 0.0
    assert list_worth([-1000.0]) == 0.0


def test_one_product_as_good_as_nothing_is_worth_a_choice_of_two():
    assert list_worth([OUTSIDE]) == pytest.approx(log(2))


def test_later_places_get_less_attention():
    shares = [attention(place) for place in range(1, 20)]
    assert shares[0] == 1.0
    assert shares == sorted(shares, reverse=True)
    assert len(set(shares)) == len(shares)


@given(everything=utilities, k=st.integers(1, 15), rng=st.randoms(use_true_random=False))
def test_regret_is_never_negative_and_none_for_the_best(everything, k, rng):
    shown = rng.sample(everything, min(k, len(everything)))

    assert regret_of(shown, everything, k=k) >= 0.0
    assert regret_of(sorted(everything, reverse=True)[:k], everything, k=k) == 0.0


@given(everything=st.lists(st.floats(-6, 6), min_size=1, max_size=5), k=st.integers(1, 3))
def test_no_other_list_is_better_than_the_best(everything, k):
    k = min(k, len(everything))
    best = max(list_worth(list(order)) for order in permutations(everything, k))

    assert list_worth(sorted(everything, reverse=True)[:k]) == pytest.approx(best)


@given(shown=utilities, gain=st.floats(0.01, 3))
def test_a_better_product_makes_a_list_worth_more(shown, gain):
    assert list_worth([shown[0] + gain, *shown[1:]]) > list_worth(shown) or shown[0] < -5


def test_choices_come_as_often_as_their_weights_say():
    shown = [OUTSIDE + 1.0, OUTSIDE, OUTSIDE - 1.0]
    rng, draws = Random(5), 20_000
    counts = Counter(choose(shown, rng) for _ in range(draws))

    weights = {None: 1.0} | {index: attention(index + 1) * exp(shown[index] - OUTSIDE) for index in range(3)}
    for index, weight in weights.items():
        assert counts[index] / draws == pytest.approx(weight / sum(weights.values()), abs=0.015)


def test_nothing_is_picked_from_an_empty_list():
    assert choose([], Random(5)) is None
