"""Measures a bundle on a log."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from time import perf_counter

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import Bundle, NotExplainableError
from presage_featurizer import FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_training.datasets.dataset import Dataset, check_labels
from presage_training.datasets.leakage import early_prefixes, event_order, lone_features
from presage_training.datasets.targets import parse_target
from presage_training.errors import DatasetError
from presage_training.experiment.baselines import baseline_kinds, best_feature
from presage_training.experiment.comparing import named_check
from presage_training.experiment.logs import LogSource, PredictionTask, read_dataset
from presage_training.experiment.planning import to_rows
from presage_training.experiment.remarks import remarks_on, remarks_on_order
from presage_training.models import FitOptions, fit
from presage_training.readers import SkippedRows
from presage_training.replaying.decisions import parse_decisions
from presage_training.report import DataFacts, MeasuredModel, Resamples, Results, best_threshold, measure_model
from presage_training.report.explained import explain_rows
from presage_training.report.importance import permutation_losses
from presage_training.report.results import Check, facts_of_part

__all__ = ["evaluate_bundle", "prediction_task"]

_SPLIT = (
    "All rows of the log are measured; on a log that the model was trained on, figures flatter it. The baselines are fitted on "
    "these very rows, which flatters them a little."
)
_THRESHOLDS = (
    "the threshold of the model's training, or 0.5 if its manifest has none; those of a baseline at the one that gives the best F1 "
    "on these rows"
)
_TASKS = {True: "binary", False: "regression"}
_DEFAULT_TARGET, _DEFAULT_DECISIONS = "purchase-in-session", "every-event"


@dataclass(frozen=True, slots=True)
class _Scorer:
    """A bundle as a server answers with it."""

    bundle: Bundle

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return self.bundle.model.margins(features).astype(np.float64)

    def scores(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        return np.array(self.bundle.scores(features))


def prediction_task(
    bundle: Bundle,
    *,
    target: str | None = None,
    decisions: str | None = None,
    known_only: bool | None = None,
    custom: CustomFeatures | None = None,
) -> PredictionTask:
    """Return the task that a bundle was trained for, from its manifest, with the given changes.

    Args:
        bundle: The model.
        target: As ``parse_target`` reads it.
        decisions: As ``parse_decisions`` reads them.
        known_only: Whether to exclude rows of anonymous visitors.
        custom: The features of the project that the model was trained with.

    Raises:
        DatasetError: The target or the decision points are unknown, the model is for another sort of target, or its features have
            another meaning in this version.
    """
    manifest = bundle.manifest
    data = manifest.data
    try:
        feature_set = FeatureSet.restore(manifest.feature_set, custom)
    except FeatureSetError as error:
        raise DatasetError(f"{bundle.directory}: feature_set.{error}") from error
    chosen = parse_target(target or str(data.get("target", _DEFAULT_TARGET)))
    if manifest.objective != _TASKS[chosen.is_classification]:
        raise DatasetError(
            f"{bundle.directory}: a model of objective {manifest.objective!r} does not predict {chosen.name}, which needs "
            f"{_TASKS[chosen.is_classification]!r}: name another target"
        )
    return PredictionTask(
        target=chosen,
        decisions=parse_decisions(decisions or str(data.get("decisions", _DEFAULT_DECISIONS))),
        feature_set=feature_set,
        known_only=bool(data.get("known_only", 0)) if known_only is None else known_only,
    )


def evaluate_bundle(
    bundle: Bundle,
    log: LogSource,
    task: PredictionTask,
    *,
    seed: int = 7,
    draws: int = 500,
    workers: int = 1,
    explain: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Results:
    """Measure a bundle on all rows of a log, as a server would have answered.

    Args:
        bundle: The model.
        log: The log. If it is the one that the model was trained on, figures flatter it.
        task: What to predict, see ``prediction_task``.
        seed: For the draws.
        draws: The number of draws for an interval.
        workers: The number of processes that replay.
        explain: Whether to say what the scores are made of.
        on_progress: Called with a short description of each step.

    Raises:
        TrainingError: The log does not allow it; the message names the file.
        NotExplainableError: The bundle's scores are to be explained, and cannot be.
        OSError: The log cannot be read.
    """
    if explain and isinstance(bundle.explainer, NotExplainableError):
        raise NotExplainableError(f"{bundle.directory}: {bundle.explainer}")
    began = perf_counter()
    skipped = SkippedRows()
    dataset = read_dataset(log, task, skipped=skipped, workers=workers, on_progress=on_progress)
    try:
        check_labels(dataset)
    except DatasetError as error:
        raise DatasetError(f"{log.location}: {error}") from error
    replayed = perf_counter()
    on_progress(f"measuring on {len(dataset):,} rows")
    scorer = _Scorer(bundle)
    scores = scorer.scores(dataset.features)
    resamples = Resamples(labels=dataset.labels, visitors=dataset.visitors, seed=seed, draws=draws)
    baselines = _measure_baselines(dataset, resamples)
    best_baseline = max(baselines, key=lambda baseline: baseline.result.skill)
    manifest = bundle.manifest
    threshold = manifest.data.get("threshold", 0.5)
    names = task.feature_set.features
    explanations = None
    if explain:
        on_progress("explaining scores")
        explanations = explain_rows(bundle, dataset.features, scores, task.feature_set, seed=seed)
    on_progress("permuting features")
    measured = measure_model(
        f"{manifest.name}/{manifest.version}",
        dataset,
        scores,
        resamples,
        threshold=float(threshold),
        baseline=best_baseline.draws,
        explanations=explanations,
        permutation=permutation_losses(scorer.margins, dataset.features, dataset.labels, names, seed=seed),
        seconds={"measuring": perf_counter() - replayed},
    )
    models = (*baselines, measured)
    checks: tuple[Check, ...] = (named_check("event-order", event_order(dataset)),)
    if task.target.is_classification:
        checks += (
            Check(name="lone-feature", warnings=lone_features(dataset)),
            named_check("early-prefixes", early_prefixes(dataset, scorer.margins)),
        )
    return Results(
        name=f"{manifest.name}/{manifest.version} on {log.name}",
        seed=seed,
        draws=draws,
        data=DataFacts(
            source=log.name,
            target=task.target.name,
            decisions=task.decisions_text,
            feature_set=task.feature_set.name,
            features=names,
            time_zone=task.feature_set.time_zone,
            log=dataset.log,
            skipped=skipped.counts,
            parts={"all": facts_of_part(dataset)},
            split=_SPLIT,
            thresholds=_THRESHOLDS if task.target.is_classification else "",
        ),
        models=tuple(model.result for model in models),
        baseline=best_baseline.result.kind,
        checks=checks,
        seconds={"reading and replaying": replayed - began},
        remarks=(*remarks_on(models, best_baseline.result.kind), *remarks_on_order(dataset.log.order)),
    )


def _measure_baselines(dataset: Dataset, resamples: Resamples) -> list[MeasuredModel]:
    """Fit the baselines that training has on the rows themselves, which favors them, and measure them."""
    rows = to_rows(dataset)
    options = FitOptions(feature=best_feature(dataset))
    measured = []
    for kind in baseline_kinds(dataset):
        fitted = fit(kind, rows, rows, seed=resamples.seed, options=options)
        scores = fitted.predict(dataset.features)
        threshold = best_threshold(dataset.positive, scores) if fitted.task == "classification" else None
        measured.append(
            measure_model(
                kind,
                dataset,
                scores,
                resamples,
                threshold=threshold,
                is_baseline=True,
                parameters=fitted.parameters,
            )
        )
    return measured
