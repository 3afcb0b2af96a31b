from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import metrics

from presage_training.report.curves import calibration_curve, histogram, precision_recall_curve, roc_curve


def rows_of(count, *, seed=0):
    random = np.random.default_rng(seed)
    scores = np.round(random.random(count), 2)
    return random.random(count) < scores, scores


@given(seed=st.integers(0, 1_000))
def test_the_area_under_the_points_is_the_roc_auc(seed):
    labels, scores = rows_of(300, seed=seed)
    x, y = np.array(roc_curve(labels, scores)).T

    assert (x[0], y[0], x[-1], y[-1]) == (0, 0, 1, 1)
    assert np.trapezoid(y, x) == pytest.approx(metrics.roc_auc_score(labels, scores), abs=1e-4)


def test_precision_over_recall_ends_at_the_class_balance():
    labels, scores = rows_of(300)
    recalls, precisions = np.array(precision_recall_curve(labels, scores)).T

    assert (np.diff(recalls) >= 0).all()
    assert recalls[-1] == 1.0
    assert precisions[-1] == pytest.approx(labels.mean(), abs=1e-5)


def test_scores_that_are_true_lie_on_the_diagonal():
    labels, scores = rows_of(200_000)
    curve = np.array(calibration_curve(labels, scores))

    assert len(curve) == 10
    assert np.abs(curve[:, 0] - curve[:, 1]).max() < 0.02


def test_rows_that_tie_are_one_point_of_calibration():
    assert calibration_curve(np.array([True, False, False, False]), np.full(4, 0.3)) == ((0.3, 0.25),)


def test_a_histogram_holds_all_rows_of_each_kind():
    labels, scores = rows_of(500)
    shares = histogram(labels, scores)

    assert sum(shares.negative) == pytest.approx(1.0, abs=1e-3)
    assert sum(shares.positive) == pytest.approx(1.0, abs=1e-3)


def test_there_is_nothing_to_trace_in_rows_of_one_kind():
    labels = np.zeros(10, dtype=bool)

    assert roc_curve(labels, np.arange(10.0)) == ()
    assert precision_recall_curve(labels, np.arange(10.0)) == ()
    assert roc_curve(~labels, np.arange(10.0)) == ()


def test_long_curves_are_thinned():
    labels, _ = rows_of(5_000)

    assert len(roc_curve(labels, np.random.default_rng(0).random(5_000))) == 200


@pytest.mark.parametrize("prevalence", [0.01, 0.5])
def test_the_bins_have_the_scale_of_the_scores(prevalence):
    random = np.random.default_rng(0)
    scores = random.beta(1.0, 1.0 / prevalence - 1.0, 20_000)
    labels = random.random(len(scores)) < scores
    shares = histogram(labels, scores)

    assert shares.first == 0.0
    assert shares.last == (1.0 if prevalence > 0.1 else pytest.approx(0.07, abs=0.02))
    # Most bars can be told from the axis.
    assert sum(share > 0.001 for share in shares.negative) > 25
    for shown in (shares.negative, shares.positive):
        assert sum(shown) == pytest.approx(1.0, abs=1e-3)
    assert shares.beyond == pytest.approx(np.mean(scores > shares.last), abs=1e-5)
    assert (shares.beyond > 0.0) is (prevalence < 0.1)
