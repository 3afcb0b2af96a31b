"""Verdicts on lists of known quality: what was shown has an advantage, which must not decide."""

from __future__ import annotations

import numpy as np
import pytest
from training.verdicts.lists.simulated import simulated

from presage_training.errors import VerdictError
from presage_training.verdicts import Action, DecisionRules
from presage_training.verdicts.lists import compare_lists, decide_lists

TIGHTEST_AT = 500


def verdict(noise_a: float, noise_b: float, **how: float):
    comparison = compare_lists(simulated(noise_a=noise_a, noise_b=noise_b, **how).rows(), tightest_at=TIGHTEST_AT)
    return comparison, decide_lists(comparison)


@pytest.mark.parametrize("share", [0.5, 0.15])
def test_a_better_challenger_is_promoted_and_a_worse_one_rolled_back(share):
    comparison, decision = verdict(2.0, 0.5, share=share)
    assert (decision.action, comparison.shown_by) == (Action.PROMOTE, "both")
    assert comparison.sentence.startswith("ranking/4 is better than ranking/3: its NDCG@6 of what visitors took is 0.")
    assert comparison.reciprocal_rank.difference.low > 0.0
    assert 0.3 < comparison.overlap.low < comparison.overlap.high < 0.6

    comparison, decision = verdict(0.5, 2.0, share=share)
    assert (decision.action, comparison.shown_by) == (Action.ROLL_BACK, "both")
    assert decision.reason.startswith("ranking/4 is worse than ranking/3: its NDCG@6 of what visitors took is 0.")


@pytest.mark.parametrize("seed", [3, 4, 5])
def test_neither_of_two_equal_versions_has_an_advantage(seed):
    comparison, decision = verdict(1.0, 1.0, seed=seed)
    assert decision.action is Action.CONTINUE
    assert "No difference seen yet" in comparison.sentence
    # The same figure of the lists that one version has shown favours that one.
    rows = simulated(noise_a=1.0, noise_b=1.0, seed=seed).rows()
    difference = rows.ndcg_b - rows.ndcg_a
    of_a, of_b = difference[rows.served_a].mean(), difference[rows.served_b].mean()
    assert of_a < -0.03 < 0.03 < of_b
    assert abs(comparison.ndcg.difference.value) < 0.02
    assert comparison.ndcg.difference.value == pytest.approx((of_a + of_b) / 2)


def test_equal_versions_are_not_told_apart_in_sixty_looks():
    """Also where the challenger serves few: its sessions weigh more then."""
    rows = simulated(noise_a=1.0, noise_b=1.0, share=0.15, visitors=900).rows()
    for look in range(1, 61):
        until = slice(0, len(rows) * look // 60)
        columns = {
            name: value[until] if isinstance(value := getattr(rows, name), np.ndarray) else value
            for name in rows.__slots__
        }
        decision = decide_lists(compare_lists(type(rows)(**columns), tightest_at=TIGHTEST_AT, draws=2))
        assert decision.action is Action.CONTINUE


def test_a_shadow_may_be_better_in_spite_of_not_being_shown_but_is_never_worse():
    comparison, decision = verdict(2.0, 0.3, share=0.0)
    assert (decision.action, comparison.shown_by) == (Action.PROMOTE, "a")
    assert comparison.sentence.endswith(", although visitors saw the lists of ranking/3 alone.")
    assert (comparison.took, comparison.purchased) == (None, None)

    for noises in ((1.0, 1.0), (0.5, 2.0)):
        comparison, decision = verdict(*noises, share=0.0)
        assert comparison.ndcg.difference.high < 0.0
        assert decision.action is Action.CONTINUE
        assert decision.reason.startswith(
            "Nothing can be said yet: visitors saw the lists of ranking/3 alone, over 1,201 sessions"
        )
        assert decision.reason.endswith("give ranking/4 a share of them.")


def test_visitors_who_are_held_out_do_not_count():
    rows = simulated(noise_a=2.0, noise_b=0.3, share=0.0).rows()
    columns = {name: getattr(rows, name) for name in rows.__slots__}
    columns["arms"] = np.where(rows.users % 2, 3, rows.arms).astype(np.int8)
    comparison = compare_lists(type(rows)(**columns), tightest_at=TIGHTEST_AT)
    assert 0 < comparison.rows == np.count_nonzero(rows.users % 2 == 0)


def test_what_the_served_versions_bring_is_unbiased():
    comparison, _ = verdict(2.0, 0.5)
    lists = simulated(noise_a=2.0, noise_b=0.5)
    rows = lists.rows()
    assert comparison.took is not None
    assert comparison.took.a.value == pytest.approx(rows.took[rows.served_a].mean())
    assert comparison.took.b.value == pytest.approx(rows.took[rows.served_b].mean())
    assert comparison.took.difference.low > 0.0


def test_a_challenger_whose_visitors_take_less_is_rolled_back():
    """Though its order of what visitors took is better: they may have taken it because there was nothing else."""
    rows = simulated(noise_a=2.0, noise_b=0.5).rows()
    columns = {name: getattr(rows, name) for name in rows.__slots__}
    random = np.random.default_rng(1).random(len(rows))
    columns["took"] = np.where(rows.served_b, random < 0.2, random < 0.6)
    decision = decide_lists(compare_lists(type(rows)(**columns), tightest_at=TIGHTEST_AT))
    assert decision.action is Action.ROLL_BACK
    assert decision.reason.startswith("visitors served by ranking/4 take an item of a list in 0.")


def test_few_outcomes_decide_nothing():
    comparison, decision = verdict(2.0, 0.3, visitors=40, days=5)
    assert decision.action is Action.CONTINUE
    assert decision.reason.startswith(f"too few outcomes: {comparison.rows} sessions, ")
    assert decide_lists(comparison, DecisionRules(min_rows=10_000)).action is Action.CONTINUE


def test_without_rows_there_is_no_verdict():
    rows = simulated(noise_a=1.0, noise_b=1.0).rows()
    columns = {
        name: value[:0] if isinstance(value := getattr(rows, name), np.ndarray) else value for name in rows.__slots__
    }
    comparison = compare_lists(type(rows)(**columns))
    assert comparison.sentence == "No difference seen yet: no outcome of a pair of lists is known."
    assert decide_lists(comparison).action is Action.CONTINUE


def test_draws_must_be_some():
    with pytest.raises(VerdictError, match="draws: expected 2 or more, got 1"):
        compare_lists(simulated(noise_a=1.0, noise_b=1.0).rows(), draws=1)
