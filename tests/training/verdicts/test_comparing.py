"""Two versions on the same rows: known truth is found, and every figure is what a library gives."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.stats import spearmanr
from sklearn.metrics import log_loss, roc_auc_score
from training.verdicts.simulated import pairs

from presage_training.errors import VerdictError
from presage_training.verdicts import Action, DecisionRules, compare, decide


def test_figures_are_those_of_the_libraries():
    rows = pairs(2_000, noise_a=0.3, noise_b=1.0)
    compared = compare(rows)

    assert compared.loss.a.value == pytest.approx(log_loss(rows.labels, rows.scores_a))
    assert compared.loss.b.value == pytest.approx(log_loss(rows.labels, rows.scores_b))
    assert compared.auc is not None
    assert compared.auc.a.value == pytest.approx(roc_auc_score(rows.labels, rows.scores_a))
    assert compared.auc.difference.value == pytest.approx(
        roc_auc_score(rows.labels, rows.scores_b) - roc_auc_score(rows.labels, rows.scores_a)
    )
    assert compared.calibration.b.value == pytest.approx(rows.scores_b.mean() - rows.labels.mean())
    assert compared.agreement.value == pytest.approx(spearmanr(rows.scores_a, rows.scores_b).statistic)
    assert (compared.rows, compared.visitors, compared.positives) == (2_000, 2_000, rows.labels.sum())


def test_scores_that_tie_share_their_ranks():
    rows = pairs(500)
    rows = replace(rows, scores_a=np.round(rows.scores_a, 1), scores_b=np.round(rows.scores_b, 1))
    compared = compare(rows)

    assert compared.auc is not None
    assert compared.auc.a.value == pytest.approx(roc_auc_score(rows.labels, rows.scores_a))
    assert compared.agreement.value == pytest.approx(spearmanr(rows.scores_a, rows.scores_b).statistic)


@pytest.mark.parametrize(
    ("noise_a", "noise_b", "words", "action"),
    [
        (0.3, 1.5, "conversion/4 is worse than conversion/3: its log loss is ", Action.ROLL_BACK),
        (1.5, 0.3, "conversion/4 is better than conversion/3: its log loss is ", Action.PROMOTE),
        (0.5, 0.5, "No difference seen yet: the log loss of conversion/4 is between ", Action.CONTINUE),
    ],
)
def test_a_planted_difference_is_said_in_one_sentence_and_decided_on(noise_a, noise_b, words, action):
    compared = compare(pairs(4_000, noise_a=noise_a, noise_b=noise_b))

    assert compared.sentence.startswith(words)
    assert compared.sentence.endswith("over 4,000 sessions of 4,000 visitors.")
    assert decide(compared).action is action
    assert decide(compared).reason == compared.sentence


def test_an_equal_challenger_gets_no_verdict_in_sixty_checks_and_a_worse_one_gets_one_soon():
    verdicts = []
    for seed in range(8):
        equal, worse = pairs(6_000, seed=seed), pairs(6_000, seed=seed, noise_b=1.3)
        looks = np.linspace(100, 6_000, 60).astype(int)
        verdicts.append({decide(compare(equal.take(np.arange(look)), draws=2)).action for look in looks})
        first = next(
            look for look in looks if decide(compare(worse.take(np.arange(look)), draws=2)).action is Action.ROLL_BACK
        )
        assert first <= 3_000
    assert all(actions == {Action.CONTINUE} for actions in verdicts)


def test_conversion_is_that_of_each_arm_and_a_guardrail():
    rows = pairs(60_000, lift_b=-1.0, share_b=0.3)
    compared = compare(rows, draws=2)

    assert compared.conversion is not None
    assert compared.conversion.a.value == pytest.approx(rows.labels[rows.served_a].mean())
    assert compared.conversion.b.value == pytest.approx(rows.labels[rows.served_b].mean())
    assert compared.conversion.difference.high < 0.0
    worse = decide(compared)
    assert worse.action is Action.ROLL_BACK
    if compared.loss.difference.low <= 0.0:
        assert worse.reason.startswith("visitors served by conversion/4 bring 0.0")


def test_conversion_leaves_out_who_is_held_out_and_needs_both_arms():
    rows = pairs(2_000)
    held_out = replace(rows, arms=np.full(2_000, 3, np.int8))
    one_arm = replace(rows, served_b=np.zeros(2_000, np.bool_))

    assert compare(held_out, draws=2).conversion is None
    assert compare(one_arm, draws=2).conversion is None


def test_rows_of_one_visitor_widen_the_intervals_of_a_bootstrap():
    rows = pairs(2_000)
    of_few = replace(rows, users=np.sort(rows.users % 100), labels=np.sort(rows.labels))

    def width(compared):
        return compared.calibration.a.high - compared.calibration.a.low

    assert width(compare(of_few)) > 1.5 * width(compare(rows))


def test_too_few_outcomes_decide_nothing():
    rows = pairs(400, noise_a=0.1, noise_b=4.0)
    few = decide(compare(rows.take(np.arange(150))))

    assert (few.action, few.reason.partition(":")[0]) == (Action.CONTINUE, "too few outcomes")
    one_kind = decide(compare(rows.take(np.flatnonzero(rows.labels == 0.0))))
    assert (one_kind.action, one_kind.reason.partition(":")[0]) == (Action.CONTINUE, "too few outcomes")


def test_a_better_challenger_whose_level_is_wrong_is_not_promoted():
    compared = compare(pairs(4_000, noise_a=3.0, noise_b=0.2))
    strict = DecisionRules(max_miscalibration=0.0)
    off = replace(compared, calibration=replace(compared.calibration, b=compared.calibration.a._replace(value=0.5)))

    assert decide(compared).action is Action.PROMOTE
    assert decide(off, strict).action is Action.CONTINUE
    assert "But its mean score is 0.5000 from the mean outcome" in decide(off, strict).reason


def test_no_rows_give_no_difference():
    compared = compare(pairs(10).take(np.zeros(10, np.bool_)))

    assert compared.sentence == "No difference seen yet: no outcome of a pair is known."
    assert (compared.auc, compared.conversion) == (None, None)
    assert decide(compared).action is Action.CONTINUE


def test_amounts_are_compared_by_their_squared_errors():
    rows = replace(pairs(1_000), is_classification=False)
    rows = replace(rows, labels=100.0 * rows.labels, scores_a=100.0 * rows.scores_a, scores_b=100.0 * rows.scores_b)
    compared = compare(rows)

    assert compared.auc is None
    assert compared.loss.a.value == pytest.approx(np.mean((rows.scores_a - rows.labels) ** 2))
    assert "squared error" in compared.sentence


@pytest.mark.parametrize("field", ["min_rows", "min_positives", "max_miscalibration"])
def test_rules_out_of_range_are_named(field):
    with pytest.raises(VerdictError, match=f"{field}: expected"):
        DecisionRules(**{field: -1})


def test_draws_out_of_range_are_named():
    with pytest.raises(VerdictError, match="draws: expected 2 or more, got 1"):
        compare(pairs(10), draws=1)
