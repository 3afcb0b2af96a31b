"""Models of several kinds on one dataset: split by time, fitted, measured against baselines, checked for leakage."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from presage_training.datasets.dataset import Dataset
from presage_training.datasets.leakage import (
    LeakageWarning,
    early_prefixes,
    event_order,
    lone_features,
    shifted_now,
    shuffled_labels,
)
from presage_training.experiment.baselines import baseline_kinds, best_feature
from presage_training.experiment.planning import ExperimentOptions, Parts, choose_kinds, split_parts, to_rows
from presage_training.models import BASELINES, FitOptions, FittedModel, fit
from presage_training.report import MeasuredModel, ModelResult, Resamples, best_threshold, measure_model
from presage_training.report.importance import gain_shares, permutation_losses
from presage_training.report.measuring import skill_name
from presage_training.report.results import Check

__all__ = ["Experiment", "cross_validate", "named_check", "run_experiment", "with_export"]

_CHECK_KIND = "logistic-regression"


@dataclass(frozen=True, kw_only=True, slots=True)
class Experiment:
    parts: Parts
    models: tuple[MeasuredModel, ...]
    """Baselines first, then the requested kinds."""
    fitted: dict[str, FittedModel]
    """All models, by kind."""
    baseline: str
    """Kind of the best baseline."""
    checks: tuple[Check, ...]
    seconds: dict[str, float]

    @property
    def results(self) -> list[ModelResult]:
        return [model.result for model in self.models]


def run_experiment(
    dataset: Dataset,
    kinds: Sequence[str] = (),
    *,
    options: ExperimentOptions = ExperimentOptions(),  # noqa: B008 - frozen
    shifted: Callable[[], Dataset] | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Experiment:
    """Train, measure, compare and check.

    Args:
        dataset: All rows.
        kinds: The kinds of models, see ``choose_kinds``; baselines are added.
        options: How to train and measure.
        shifted: Makes the same dataset with ``now_shift_micros=-1_000_000``, for the check ``shifted-now``; None skips it.
        on_progress: Called with a short description of each step.

    Raises:
        DatasetError: There are too few rows, all labels are the same, or a kind is unknown.
    """
    chosen = choose_kinds(dataset.target, kinds, classifies=dataset.labels.dtype == np.bool_)
    parts = split_parts(dataset, options)
    train, tune = to_rows(parts.train), to_rows(parts.tune)
    baselines = baseline_kinds(dataset)
    feature = options.feature or best_feature(parts.train)
    fit_options = FitOptions(calibration=options.calibration, threads=options.threads, feature=feature)
    resamples = Resamples(
        labels=parts.test.labels, visitors=parts.test.visitors, seed=options.seed, draws=options.draws
    )
    fitted: dict[str, FittedModel] = {}
    measured: list[MeasuredModel] = []
    best: MeasuredModel | None = None
    for kind in (*baselines, *(kind for kind in chosen if kind not in baselines)):
        on_progress(f"training {kind}")
        began = perf_counter()
        fitted[kind] = fit(kind, train, tune, seed=options.seed, options=fit_options, members=tuple(fitted.values()))
        fitting_seconds = perf_counter() - began
        on_progress(f"measuring {kind}")
        model = _measure(fitted[kind], parts, resamples, best, fitting_seconds)
        measured.append(model)
        if kind in baselines and (best is None or model.result.skill > best.result.skill):
            best = model
    assert best is not None
    on_progress("checking for leakage")
    began = perf_counter()
    checks: tuple[Check, ...] = (named_check("event-order", event_order(dataset)),)
    if skill_name(dataset) == "roc_auc":
        leader = fitted[max(measured, key=lambda model: model.result.skill).result.kind]
        checks += _checks(dataset, parts, leader, options, shifted)
    return Experiment(
        parts=parts,
        models=tuple(measured),
        fitted=fitted,
        baseline=best.result.kind,
        checks=checks,
        seconds={"checks": perf_counter() - began},
    )


def cross_validate(
    dataset: Dataset,
    kinds: Sequence[str],
    folds: Sequence[tuple[NDArray[np.bool_], NDArray[np.bool_]]],
    *,
    options: ExperimentOptions,
    on_progress: Callable[[str], None] = lambda _: None,
) -> dict[str, NDArray[np.float64]]:
    """Score every row by models of other visitors, for logs that are too short to be split by time.

    Of each fold's training rows, those that the previous fold tests on are used for calibration instead.

    Args:
        dataset: All rows.
        kinds: The kinds of models.
        folds: Masks of training and test rows, at least 3, as from ``grouped_folds``.
        options: How to train; its shares are not used.
        on_progress: Called with a short description of each step.

    Returns:
        The scores of all rows, by kind.

    Raises:
        DatasetError: There are too few rows.
    """
    # Chosen on all rows, which favours the baseline: the safe side.
    feature = options.feature or best_feature(dataset)
    fit_options = FitOptions(calibration=options.calibration, threads=options.threads, feature=feature)
    rows = to_rows(dataset)
    scores = {kind: np.empty(len(dataset)) for kind in kinds}
    for index, (train, test) in enumerate(folds):
        tune = folds[index - 1][1]
        fitted: list[FittedModel] = []
        for kind in kinds:
            on_progress(f"fold {index + 1} of {len(folds)}: {kind}")
            fitted.append(
                fit(
                    kind,
                    rows.take(train & ~tune),
                    rows.take(tune),
                    seed=options.seed,
                    options=fit_options,
                    members=fitted,
                )
            )
            scores[kind][test] = fitted[-1].predict(dataset.features[test])
    return scores


def _measure(
    fitted: FittedModel, parts: Parts, resamples: Resamples, best: MeasuredModel | None, fitting_seconds: float
) -> MeasuredModel:
    test = parts.test
    is_baseline = fitted.kind in BASELINES
    began = perf_counter()
    scores = fitted.predict(test.features)
    scoring_seconds = perf_counter() - began
    threshold = None
    if fitted.task == "classification":
        threshold = best_threshold(parts.tune.positive, fitted.predict(parts.tune.features))
    names = test.feature_set.features
    permutation = None
    if not is_baseline:
        permutation = permutation_losses(fitted.margins, test.features, test.labels, names, seed=resamples.seed)
    return measure_model(
        fitted.kind,
        test,
        scores,
        resamples,
        threshold=threshold,
        is_baseline=is_baseline,
        baseline=None if best is None else best.draws,
        gain=gain_shares(fitted.trained, names),
        permutation=permutation,
        parameters=fitted.parameters,
        seconds={"training": fitting_seconds, "scoring the test rows": scoring_seconds},
    )


def _checks(
    dataset: Dataset,
    parts: Parts,
    best: FittedModel,
    options: ExperimentOptions,
    shifted: Callable[[], Dataset] | None,
) -> tuple[Check, ...]:
    def evaluate(shuffled: Dataset) -> tuple[NDArray[np.bool_], NDArray[np.float64]]:
        again = split_parts(shuffled, options)
        model = fit(
            _CHECK_KIND, to_rows(again.train), to_rows(again.tune), seed=options.seed, options=FitOptions(folds=1)
        )
        return again.test.positive, model.margins(again.test.features)

    found = {
        "early-prefixes": early_prefixes(parts.test, best.margins),
        "shuffled-labels": shuffled_labels(dataset, evaluate, seed=options.seed),
    }
    if shifted is not None:
        found["shifted-now"] = shifted_now(parts.test, split_parts(shifted(), options).test, best.margins)
    return (
        Check(name="lone-feature", warnings=lone_features(dataset)),
        *(named_check(name, warning) for name, warning in found.items()),
    )


def named_check(name: str, warning: LeakageWarning | None) -> Check:
    """Return the outcome of a check that gives one warning at most."""
    return Check(name=name, warnings=() if warning is None else (warning,))


def with_export(result: ModelResult, outcome: str, seconds: float) -> ModelResult:
    """Add the outcome of its export to a result."""
    return replace(result, export=outcome, seconds={**result.seconds, "export": seconds})
