from __future__ import annotations

import pytest

from benchmarks.rig.ratios import Comparison, Scenario, compare_rounds, only_in_one

FOLD, RATE = Scenario("fold", "µs"), Scenario("Score", "calls/s")


def comparison(scenario, *ratios):
    return Comparison(scenario=scenario, base=1.0, this=1.0, ratios=ratios)


@pytest.mark.parametrize(
    ("ratios", "verdict"),
    [
        ((0.90, 0.91, 0.92), "better"),
        ((1.10, 1.11, 1.12), "worse"),
        ((0.97, 0.99, 1.01), ""),  # the rounds do not agree
        ((1.01, 1.02, 1.05), ""),  # they do, but are further from each other than from 1
        ((1.02, 1.02, 1.02), ""),  # too little
        ((2.0,), ""),  # one round says nothing of the noise
    ],
)
def test_a_difference_is_marked_where_it_is_larger_than_the_noise(ratios, verdict):
    assert comparison(FOLD, *ratios).verdict == verdict


def test_more_calls_a_second_are_better_and_more_time_is_worse():
    assert comparison(RATE, 1.20, 1.21).verdict == "better"
    assert comparison(RATE, 0.80, 0.81).verdict == "worse"


def test_each_round_is_compared_with_itself():
    rounds = [({FOLD: 10.0}, {FOLD: 11.0}), ({FOLD: 20.0}, {FOLD: 22.0}), ({FOLD: 40.0}, {FOLD: 44.0})]
    (one,) = compare_rounds(rounds)

    assert one.ratios == pytest.approx((1.1, 1.1, 1.1))
    assert (one.base, one.this) == (20.0, 22.0)
    assert one.verdict == "worse"


def test_only_what_both_have_in_every_round_is_compared():
    new, old, failed = (Scenario(name, "µs") for name in ("new", "old", "failed"))
    rounds = [
        ({FOLD: 1.0, old: 1.0, failed: 1.0}, {FOLD: 1.0, new: 1.0, failed: 1.0}),
        ({FOLD: 1.0, old: 1.0, failed: 1.0}, {FOLD: 1.0, new: 1.0}),
    ]

    assert [one.scenario for one in compare_rounds(rounds)] == [FOLD]
    assert only_in_one(rounds) == (["old"], ["new"])
