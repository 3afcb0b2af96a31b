"""Every kind learns what there is to learn, by the rules of time, and nothing where there is nothing."""

from __future__ import annotations

import dataclasses

import numpy as np
import pytest
from sklearn.metrics import log_loss, roc_auc_score
from training.models.data import NAMES, parts_of, rows_of

from presage_export.bundle.calibration import IsotonicCalibration, SigmoidCalibration
from presage_export.reading.source_model import source_margins
from presage_training.errors import DatasetError
from presage_training.models import BASELINES, KINDS, FitOptions, Rows, fit
from presage_training.models.ensembles import BLEND_MEMBERS, STACK_MEMBERS
from presage_training.models.fitting import LEARNERS
from presage_training.models.losses import ndcg

pytestmark = pytest.mark.xdist_group("kinds")  # which are fitted once

CLASSIFIERS = [kind for kind, task in KINDS.items() if task == "classification"]
QUICK = "logistic-regression"
TRAIN, TUNE, TEST = parts_of(2_500)


@pytest.mark.parametrize("kind", [kind for kind in CLASSIFIERS if kind not in BASELINES])
def test_a_classifier_beats_the_prevalence_and_says_probabilities(fitted_kinds, kind):
    fitted, test = fitted_kinds[kind]
    prevalence, _ = fitted_kinds["prevalence"]
    probabilities = fitted.predict_proba(test.features)

    assert roc_auc_score(test.targets, probabilities) > 0.65
    assert log_loss(test.targets, probabilities) < log_loss(test.targets, prevalence.predict_proba(test.features))
    assert probabilities.mean() == pytest.approx(test.targets.mean(), abs=0.06)
    assert ((probabilities > 0) & (probabilities < 1)).all()


@pytest.mark.parametrize("kind", ["lightgbm-regressor", "xgboost-regressor"])
def test_a_regressor_beats_the_mean(fitted_kinds, kind):
    fitted, test = fitted_kinds[kind]
    mean, _ = fitted_kinds["mean"]

    def error(model):
        return np.mean((model.predict(test.features) - test.targets) ** 2)

    assert error(fitted) < error(mean) / 4
    with pytest.raises(ValueError, match="expected a model that classifies"):
        fitted.predict_proba(test.features)


def test_the_ranker_ranks(fitted_kinds):
    fitted, test = fitted_kinds["lightgbm-ranker"]
    by_chance = ndcg(test, np.random.default_rng(0).normal(size=len(test)))

    assert ndcg(test, fitted.predict(test.features)) > (1 + by_chance) / 2


@pytest.mark.parametrize("kind", ["rfm-rule", "single-feature"])
def test_a_rule_ranks_by_what_it_looks_at(fitted_kinds, kind):
    fitted, test = fitted_kinds[kind]
    scores = fitted.predict_proba(test.features)

    assert roc_auc_score(test.targets, scores) > 0.6
    unseen = test.features.copy()
    unseen[:, [NAMES.index("page_views"), NAMES.index("noise")]] = 1e6
    np.testing.assert_array_equal(scores, fitted.predict_proba(unseen))
    if kind == "single-feature":
        assert roc_auc_score(test.targets, scores) == pytest.approx(roc_auc_score(test.targets, test.features[:, 1]))


def test_the_rule_gives_one_to_five_points_for_each_of_three(fitted_kinds):
    fitted, _ = fitted_kinds["rfm-rule"]
    leaves = [sorted({node.value for node in tree if hasattr(node, "value")}) for tree in fitted.trained.trees]

    step = min(np.diff(leaves[0]))
    for values in leaves:
        assert 2 <= len(values) <= 5
        np.testing.assert_allclose(np.diff(values), step)


@pytest.mark.parametrize(
    "kind",
    [
        kind if kind == "lightgbm-classifier" else pytest.param(kind, marks=pytest.mark.slow)
        for kind in (*LEARNERS, "stacking")
        if KINDS[kind] == "classification"
    ],
)
def test_shuffled_targets_cannot_be_learnt(kind):
    """Were a target in its row, or a test row among the training rows, the model would still do better than chance."""
    random = np.random.default_rng(3)
    parts = [dataclasses.replace(part, targets=random.permutation(part.targets)) for part in parts_of(1_500, seed=2)]
    fitted = fit(kind, *parts[:2], seed=1, options=FitOptions(folds=1))
    scores = fitted.predict_proba(parts[2].features)
    chance = [roc_auc_score(random.permutation(parts[2].targets), scores) for _ in range(300)]

    low, high = np.quantile(chance, [0.002, 0.998])
    assert low <= roc_auc_score(parts[2].targets, scores) <= high


@pytest.mark.parametrize("kind", LEARNERS)
def test_the_search_chose_the_least_loss_and_saw_only_the_past(fitted_kinds, kind):
    fitted, _ = fitted_kinds[kind]

    assert len(fitted.candidates) == len(LEARNERS[kind].space)
    best = min(fitted.candidates, key=lambda candidate: candidate.loss)
    assert fitted.parameters == best.parameters
    assert len(fitted.validated) == len(fitted.validated_margins)
    assert fitted.validated.min() > 0


@pytest.mark.parametrize(
    "kind",
    [
        "lightgbm-classifier",
        *(pytest.param(kind, marks=pytest.mark.slow) for kind in ("xgboost-classifier", "random-forest")),
    ],
)
def test_the_same_rows_and_seed_give_the_same_model_with_any_number_of_threads(kind):
    first, again = (fit(kind, TRAIN, TUNE, seed=4, options=FitOptions(folds=1, threads=threads)) for threads in (1, 2))

    np.testing.assert_array_equal(first.predict(TEST.features), again.predict(TEST.features))
    assert first.parameters == again.parameters


def test_the_tune_part_does_nothing_but_calibrate(fitted_kinds):
    for kind in ("lightgbm-classifier", "logistic-regression"):
        fitted, test = fitted_kinds[kind]
        other = fit(kind, TRAIN, rows_of(300, seed=9), seed=1, options=FitOptions(folds=2))

        np.testing.assert_array_equal(fitted.margins(test.features), other.margins(test.features))
        assert fitted.calibration != other.calibration


@pytest.mark.parametrize(
    ("calibration", "kind"), [("sigmoid", SigmoidCalibration), ("isotonic", IsotonicCalibration), ("none", type(None))]
)
def test_the_calibration_is_the_one_that_was_asked_for(calibration, kind):
    fitted = fit(QUICK, TRAIN, TUNE, seed=1, options=FitOptions(calibration=calibration))

    assert isinstance(fitted.calibration, kind)
    assert fitted.predict(TEST.features).mean() == pytest.approx(TEST.targets.mean(), abs=0.06)


def test_a_stack_and_a_blend_weigh_their_members_margins(fitted_kinds):
    for kind, members in {"stacking": STACK_MEMBERS, "blending": BLEND_MEMBERS}.items():
        fitted, test = fitted_kinds[kind]
        expected = fitted.parameters["intercept"] + sum(
            fitted.parameters[name] * fitted_kinds[name][0].margins(test.features) for name in members
        )

        np.testing.assert_allclose(source_margins(fitted.trained, test.features), expected, rtol=0, atol=1e-12)


def test_a_blend_is_an_average_and_no_worse_than_any_member_where_it_was_weighed(fitted_kinds):
    blend, _ = fitted_kinds["blending"]
    weights = [weight for name, weight in blend.parameters.items() if name != "intercept"]
    targets = TRAIN.targets[blend.validated]

    def loss(fitted):
        return log_loss(targets, 1 / (1 + np.exp(-fitted.validated_margins)))

    assert min(weights) >= 0
    assert sum(weights) == pytest.approx(1)
    for name in blend.parameters:
        if name != "intercept":
            assert loss(blend) <= loss(fitted_kinds[name][0]) + 1e-4


# What cannot be fitted


def test_an_unknown_kind_is_refused_with_those_that_are_known():
    with pytest.raises(ValueError, match=r"expected one of \['lightgbm-classifier'.* got 'oracle'"):
        fit("oracle", TRAIN, TUNE, seed=1)


@pytest.mark.parametrize("kind", CLASSIFIERS)
@pytest.mark.parametrize("part", ["train", "tune"])
def test_one_class_only_is_refused_in_a_sentence(kind, part):
    parts = {"train": TRAIN, "tune": TUNE}
    parts[part] = dataclasses.replace(parts[part], targets=np.zeros(len(parts[part])))

    with pytest.raises(DatasetError, match=rf"the {part} part has \d+ rows, 0 of them positive"):
        fit(kind, parts["train"], parts["tune"], seed=1)


def test_a_part_without_rows_is_refused():
    with pytest.raises(DatasetError, match="the tune part has no rows"):
        fit(QUICK, TRAIN, TUNE.take(np.empty(0, dtype=np.intp)), seed=1)


def test_positives_of_one_moment_cannot_be_validated():
    late = np.where(np.arange(len(TRAIN)) >= len(TRAIN) - 5, 1.0, 0.0)

    with pytest.raises(DatasetError, match="no cut in time"):
        fit(QUICK, dataclasses.replace(TRAIN, targets=late), TUNE, seed=1)


def test_targets_that_are_no_classes_are_refused():
    with pytest.raises(ValueError, match="expected 0 or 1"):
        fit(QUICK, dataclasses.replace(TRAIN, targets=TRAIN.targets * 2), TUNE, seed=1)


def test_a_feature_that_is_not_there_is_named():
    with pytest.raises(ValueError, match="feature 'luck': expected one of"):
        fit("single-feature", TRAIN, TUNE, seed=1, options=FitOptions(feature="luck"))


def test_ranking_needs_lists_whose_rows_are_neighbours():
    train, tune, _ = parts_of(500, task="ranking")

    with pytest.raises(ValueError, match="groups: expected the list"):
        fit("lightgbm-ranker", dataclasses.replace(train, groups=None), tune, seed=1)
    with pytest.raises(ValueError, match="adjacent"):
        fit("lightgbm-ranker", dataclasses.replace(train, groups=train.groups % 7), tune, seed=1)


def test_members_of_other_rows_are_refused(fitted_kinds):
    other = fit(QUICK, *parts_of(1_000)[:2], seed=1)
    members = [fitted_kinds[kind][0] for kind in BLEND_MEMBERS if kind != QUICK]

    with pytest.raises(ValueError, match="was validated on other rows"):
        fit("blending", TRAIN, TUNE, seed=1, members=[*members, other])


@pytest.mark.parametrize(("field", "value"), [("calibration", "platt"), ("folds", 0), ("threads", 0)])
def test_an_option_out_of_bounds_is_named(field, value):
    with pytest.raises(ValueError, match=f"{field}: expected"):
        FitOptions(**{field: value})


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("features", TRAIN.features.astype(np.float64)),
        ("targets", TRAIN.targets[:-1]),
        ("times_unix_micros", TRAIN.times_unix_micros[:-1]),
        ("groups", TRAIN.groups[:-1]),
        ("feature_names", ("one",)),
    ],
)
def test_arrays_that_do_not_go_together_are_named(field, value):
    fields = {one.name: getattr(TRAIN, one.name) for one in dataclasses.fields(TRAIN)}

    with pytest.raises(ValueError, match=f"{field}: expected"):
        Rows(**(fields | {field: value}))
