"""scikit-learn's models through the gate: a bundle that passes, or a refusal that names the parameter."""

from __future__ import annotations

import numpy as np
import pytest
from sklearn.calibration import CalibratedClassifierCV
from sklearn.decomposition import PCA
from sklearn.ensemble import (
    ExtraTreesClassifier,
    ExtraTreesRegressor,
    GradientBoostingClassifier,
    GradientBoostingRegressor,
    HistGradientBoostingClassifier,
    HistGradientBoostingRegressor,
    RandomForestClassifier,
    RandomForestRegressor,
)
from sklearn.linear_model import LinearRegression, LogisticRegression, Ridge
from sklearn.naive_bayes import GaussianNB
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

from presage_export.bundle.session import OnnxModel
from presage_export.errors import ParityError, UnsupportedModelError
from presage_export.gate import check_original
from presage_export.graph import build_graph
from presage_export.reading.source_model import read_source_model
from support.export_models import labels_of, rows_of

ROWS = rows_of(1_000)
LABELS = labels_of(ROWS)
HOLES = rows_of(1_000, missing=0.2)
HOLE_LABELS = labels_of(HOLES)
CLASSES = LABELS > 0


def wide(rows):
    return rows.astype(np.float64)


def on_doubles(estimator, labels):
    """Train on numbers that float32 does not have: the thresholds then lie between float32 numbers."""
    rows = np.random.default_rng(4).normal(size=(1_000, ROWS.shape[1]))
    return estimator.fit(rows, labels(labels_of(rows)))


PASSING = {
    "logistic regression": lambda: LogisticRegression(max_iter=1_000).fit(wide(ROWS), CLASSES),
    "scaled logistic regression": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(
        wide(ROWS), CLASSES
    ),
    "scaled, not centred": lambda: make_pipeline(StandardScaler(with_mean=False), LogisticRegression()).fit(
        wide(ROWS), CLASSES
    ),
    "centred, not scaled": lambda: make_pipeline(StandardScaler(with_std=False), Ridge()).fit(wide(ROWS), LABELS),
    "linear regression": lambda: LinearRegression().fit(wide(ROWS), LABELS),
    "far from zero": lambda: make_pipeline(StandardScaler(), LogisticRegression()).fit(wide(ROWS + 1e5), CLASSES),
    "random forest": lambda: RandomForestClassifier(60, min_samples_leaf=5, random_state=0).fit(ROWS, CLASSES),
    "deep random forest": lambda: on_doubles(RandomForestClassifier(20, random_state=0), lambda labels: labels > 0),
    "extra trees": lambda: ExtraTreesClassifier(30, min_samples_leaf=5, random_state=0).fit(ROWS, CLASSES),
    "weighted classes": lambda: RandomForestClassifier(9, class_weight="balanced", random_state=0).fit(
        ROWS, LABELS > 2
    ),
    "random forest regressor": lambda: on_doubles(RandomForestRegressor(20, random_state=0), lambda labels: labels),
    "extra trees regressor": lambda: ExtraTreesRegressor(20, random_state=0).fit(ROWS, LABELS * 1e5),
    "gradient boosting": lambda: on_doubles(GradientBoostingClassifier(random_state=0), lambda labels: labels > 0),
    "boosted from zero": lambda: GradientBoostingClassifier(init="zero", random_state=0).fit(ROWS, CLASSES),
    "gradient boosting regressor": lambda: GradientBoostingRegressor(random_state=0).fit(ROWS, LABELS * 1e3),
    "huber": lambda: GradientBoostingRegressor(loss="huber", random_state=0).fit(ROWS, LABELS),
    "one tree": lambda: GradientBoostingClassifier(n_estimators=1, random_state=0).fit(ROWS, CLASSES),
    "single leaves": lambda: RandomForestClassifier(3, random_state=0).fit(np.zeros_like(ROWS), CLASSES),
    "few positives": lambda: GradientBoostingClassifier(random_state=0).fit(ROWS, LABELS > 2.5),
}


@pytest.mark.parametrize("make", PASSING.values(), ids=PASSING.keys())
def test_every_row_scores_as_in_scikit_learn(make):
    original = read_source_model(make())
    rows = ROWS + np.float32(1e5) if original.model.coefficients and abs(original.model.intercept) > 1e3 else ROWS

    report = check_original(original, OnnxModel(build_graph(original.model)), rows)

    assert report.rows > len(rows)
    assert original.libraries == {"scikit-learn"}


@pytest.mark.parametrize("rows", [ROWS, HOLES], ids=["trained without NaN", "trained with NaN"])
@pytest.mark.parametrize("forest", [RandomForestClassifier, ExtraTreesClassifier])
def test_a_forest_sends_missing_values_where_scikit_learn_does(forest, rows):
    estimator = forest(30, min_samples_leaf=3, random_state=0).fit(rows, labels_of(rows) > 0)
    original = read_source_model(estimator)

    assert check_original(original, OnnxModel(build_graph(original.model)), HOLES, missing_values=True)


@pytest.mark.parametrize("kind", ["gradient boosting", "logistic regression"])
def test_a_model_that_does_not_answer_for_missing_values_is_not_served_any(kind):
    original = read_source_model(PASSING[kind]())

    with pytest.raises(UnsupportedModelError, match="missing_values=True"):
        check_original(original, OnnxModel(build_graph(original.model)), ROWS, missing_values=True)


REFUSED = {
    "isotonic": (lambda: CalibratedClassifierCV(LogisticRegression(), method="isotonic"), "method='isotonic'"),
    "sigmoid": (lambda: CalibratedClassifierCV(LogisticRegression(), method="sigmoid"), "method='sigmoid'"),
    "unknown": (GaussianNB, "estimator='GaussianNB'"),
    "another step": (lambda: make_pipeline(PCA(2), LogisticRegression()), "steps="),
    "scaled trees": (lambda: make_pipeline(StandardScaler(), RandomForestClassifier(3)), "steps='StandardScaler'"),
    "init": (lambda: GradientBoostingClassifier(init=LogisticRegression()), "init="),
    "loss": (lambda: GradientBoostingClassifier(loss="exponential"), "loss='exponential'"),
}


@pytest.mark.parametrize(("make", "named"), REFUSED.values(), ids=REFUSED.keys())
def test_a_model_that_onnx_would_get_wrong_is_refused_by_name(make, named):
    with pytest.raises(UnsupportedModelError, match=named):
        read_source_model(make().fit(wide(ROWS) / 1e3, CLASSES))


@pytest.mark.parametrize("estimator", [HistGradientBoostingClassifier, HistGradientBoostingRegressor])
def test_boosting_by_histograms_is_refused(estimator):
    with pytest.raises(UnsupportedModelError, match=f"estimator='{estimator.__name__}'"):
        read_source_model(estimator())


@pytest.mark.parametrize("estimator", [LogisticRegression(), RandomForestClassifier(3), GradientBoostingClassifier()])
def test_three_classes_are_refused(estimator):
    with pytest.raises(UnsupportedModelError, match="classes_"):
        read_source_model(estimator.fit(wide(ROWS) / 1e3, np.digitize(LABELS, [-1, 1])))


def test_two_targets_are_refused():
    two = np.stack([LABELS, LABELS], axis=1)

    with pytest.raises(UnsupportedModelError, match="n_outputs_"):
        read_source_model(RandomForestRegressor(3).fit(ROWS, two))
    with pytest.raises(UnsupportedModelError, match="coef_"):
        read_source_model(LinearRegression().fit(ROWS, two))


def test_another_forest_does_not_pass_for_this_one():
    one, other = (RandomForestClassifier(10, random_state=seed).fit(ROWS, CLASSES) for seed in (0, 1))

    with pytest.raises(ParityError, match=r"worst is row \d+"):
        check_original(read_source_model(one), OnnxModel(build_graph(read_source_model(other).model)), ROWS)
