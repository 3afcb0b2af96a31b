from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import (
    accuracy_score,
    average_precision_score,
    brier_score_loss,
    f1_score,
    log_loss,
    precision_score,
    r2_score,
    recall_score,
    roc_auc_score,
)

from presage_training.report.metrics import CLASSIFICATION_METRICS, Metric, Resamples, best_threshold


def rows_of(count=600, *, seed=0, visitors=150):
    """Labels, scores that know something of them and often tie, and whose rows they are."""
    random = np.random.default_rng(seed)
    labels = random.random(count) < 0.2
    scores = np.round(np.clip(0.2 + 0.15 * labels + random.normal(scale=0.15, size=count), 0.01, 0.99), 2)
    return labels, scores, random.integers(visitors, size=count)


@given(seed=st.integers(0, 1_000), count=st.integers(30, 300))
def test_figures_are_those_of_scikit_learn(seed, count):
    labels, scores, visitors = rows_of(count, seed=seed)
    labels[:2] = True, False
    metrics = Resamples(labels=labels, visitors=visitors, seed=0, draws=2).measure(scores, threshold=0.3).metrics()
    called = scores >= 0.3
    expected = {
        "roc_auc": roc_auc_score(labels, scores),
        "pr_auc": average_precision_score(labels, scores),
        "log_loss": log_loss(labels, scores),
        "brier": brier_score_loss(labels, scores),
        "accuracy": accuracy_score(labels, called),
        "precision": precision_score(labels, called, zero_division=np.nan),
        "recall": recall_score(labels, called),
    }

    for name, value in expected.items():
        assert metrics[name].value == (pytest.approx(value) if np.isfinite(value) else None), name


def test_a_draw_measures_what_repeating_the_drawn_visitors_rows_does():
    labels, scores, visitors = rows_of()
    resamples = Resamples(labels=labels, visitors=visitors, seed=3, draws=5)
    draws = resamples.measure(scores)
    unique = np.unique(visitors)
    random = np.random.default_rng(3)

    for draw in range(1, 6):
        drawn = unique[random.integers(len(unique), size=len(unique))]
        repeated = np.concatenate([np.flatnonzero(visitors == visitor) for visitor in drawn])
        assert draws.samples["roc_auc"][draw] == pytest.approx(roc_auc_score(labels[repeated], scores[repeated]))
        assert draws.samples["pr_auc"][draw] == pytest.approx(
            average_precision_score(labels[repeated], scores[repeated])
        )


def test_lift_is_how_much_richer_the_first_tenth_is():
    labels = np.zeros(100, dtype=bool)
    labels[:20] = True
    resamples = Resamples(labels=labels, visitors=np.arange(100), seed=0, draws=2)

    def lift(scores):
        return resamples.measure(scores).metrics()["lift_at_10_percent"].value

    assert lift(np.linspace(1, 0, 100)) == pytest.approx(5.0)
    assert lift(np.linspace(0, 1, 100)) == 0.0
    # All tie, so chance chooses.
    assert lift(np.full(100, 0.2)) == pytest.approx(1.0)


def test_visitors_with_many_rows_make_the_interval_wider():
    labels, scores, _ = rows_of(400)
    own = Resamples(labels=labels, visitors=np.arange(400), seed=0)
    # Every row ten times over says no more than once.
    repeated = Resamples(labels=np.repeat(labels, 10), visitors=np.repeat(np.arange(400), 10), seed=0)
    apart = Resamples(labels=np.repeat(labels, 10), visitors=np.arange(4_000), seed=0)

    def width(resamples, values):
        metric = resamples.measure(values).metrics()["roc_auc"]
        return metric.high - metric.low

    assert width(repeated, np.repeat(scores, 10)) == pytest.approx(width(own, scores))
    assert width(apart, np.repeat(scores, 10)) < width(own, scores) / 2


def test_nineteen_of_twenty_intervals_hold_the_truth():
    held = 0
    for seed in range(100):
        random = np.random.default_rng(seed)
        labels = random.random(400) < 0.3
        # Two normals one deviation apart: the area is Phi(1 / sqrt 2).
        scores = 1 / (1 + np.exp(-(random.normal(size=400) + labels)))
        metric = Resamples(labels=labels, visitors=np.arange(400), seed=seed, draws=200).measure(scores).metrics()
        held += metric["roc_auc"].low <= 0.7602 <= metric["roc_auc"].high

    assert 88 <= held <= 100


def test_the_difference_of_two_models_meets_the_same_draws():
    labels, scores, visitors = rows_of()
    resamples = Resamples(labels=labels, visitors=visitors, seed=1)
    draws = resamples.measure(scores)
    noise = np.random.default_rng(5).random(len(labels))

    assert draws.difference(resamples.measure(scores / 2), "roc_auc") == Metric(value=0.0, low=0.0, high=0.0)
    ahead = draws.difference(resamples.measure(noise), "roc_auc")
    assert 0.0 < ahead.low < ahead.value < ahead.high


def test_the_same_seed_gives_the_same_interval():
    labels, scores, visitors = rows_of()

    def metrics(seed):
        return Resamples(labels=labels, visitors=visitors, seed=seed).measure(scores).metrics()

    assert metrics(1) == metrics(1)
    assert metrics(1) != metrics(2)


def test_of_one_kind_of_rows_there_is_nothing_to_tell_apart():
    labels = np.zeros(20, dtype=bool)
    metrics = Resamples(labels=labels, visitors=np.arange(20), seed=0, draws=20).measure(np.full(20, 0.1)).metrics()

    nothing = Metric(value=None, low=None, high=None)
    assert tuple(metrics) == CLASSIFICATION_METRICS
    assert [metrics[name] for name in ("roc_auc", "pr_auc", "precision", "recall")] == [nothing] * 4
    assert metrics["brier"].value == pytest.approx(0.01)
    assert metrics["accuracy"].value == 1.0


def test_amounts_are_measured_by_their_errors():
    random = np.random.default_rng(0)
    labels = random.gamma(2.0, 50.0, size=300)
    scores = labels + random.normal(scale=10.0, size=300)
    metrics = Resamples(labels=labels, visitors=np.arange(300), seed=0).measure(scores).metrics()

    assert metrics["r2"].value == pytest.approx(r2_score(labels, scores))
    assert metrics["rmse"].value == pytest.approx(np.sqrt(np.mean((scores - labels) ** 2)))
    assert metrics["mae"].value == pytest.approx(np.abs(scores - labels).mean())


@settings(max_examples=15)
@given(seed=st.integers(0, 1_000))
def test_no_threshold_gives_a_better_f1(seed):
    labels, scores, _ = rows_of(40, seed=seed)
    labels[:2] = True, False
    best = f1_score(labels, scores >= best_threshold(labels, scores))

    assert best == pytest.approx(max(f1_score(labels, scores >= score) for score in scores))


def test_of_folds_on_several_scales_each_is_ranked_by_itself():
    labels, _, visitors = rows_of(2_000)
    folds = visitors % 4
    # What always saying the prevalence of the other folds comes to.
    scores = np.array([labels[folds != fold].mean() for fold in range(4)])[folds]
    metric = Resamples(labels=labels, visitors=visitors, seed=0, folds=folds).measure(scores).metrics()["roc_auc"]

    assert roc_auc_score(labels, scores) < 0.5
    assert metric == Metric(value=0.5, low=0.5, high=0.5)


@pytest.mark.parametrize(
    ("visitors", "draws", "message"), [(3, 10, "as many labels as visitors"), (4, 1, "draws: expected at least 2")]
)
def test_what_cannot_be_drawn_is_refused(visitors, draws, message):
    with pytest.raises(ValueError, match=message):
        Resamples(labels=np.zeros(4, dtype=bool), visitors=np.arange(visitors), seed=0, draws=draws)
