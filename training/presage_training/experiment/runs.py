"""A run's folder: the results, the page, and a bundle of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from time import perf_counter

from presage_export.bundle.parity import ParityReport
from presage_export.drift import Baseline
from presage_export.errors import ParityError, UnsupportedModelError
from presage_training.datasets.own_features import UnseenAttributes, always_default
from presage_training.errors import DatasetError
from presage_training.experiment.comparing import Experiment, run_experiment, with_export
from presage_training.experiment.drift_baseline import baseline_of_features, with_scores
from presage_training.experiment.logs import LogSource, PredictionTask, read_dataset
from presage_training.experiment.planning import ExperimentOptions, choose_kinds
from presage_training.experiment.remarks import remarks_on, remarks_on_defaults, remarks_on_order
from presage_training.models import FittedModel, export_fitted
from presage_training.readers import SkippedRows
from presage_training.report import DataFacts, ModelResult, Results, write_results
from presage_training.report.writing import arriving_folder, check_place

__all__ = ["BundleOutput", "train_on_log"]

_PARITY_ROWS = 10_000
_SHIFT_MICROS = -1_000_000
_VERSION = "1"
_SPLIT = (
    "Split by time: no label of a part was settled after the next part began. Visitors may have rows in several parts, as they "
    "come back to a shop whose model they helped to train."
)
_THRESHOLDS = "the threshold that gave the best F1 on rows between those of training and test"


@dataclass(frozen=True, kw_only=True, slots=True)
class BundleOutput:
    """Where to write the best model of a run, in addition to the run's folder."""

    directory: Path
    """The bundle's folder, NAME/VERSION."""
    original: Path | None = None
    """The file for LightGBM's own text of the model."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Run:
    log: LogSource
    task: PredictionTask
    options: ExperimentOptions
    experiment: Experiment
    features: Baseline | None
    """What the features looked like."""

    def export(self, result: ModelResult, directory: Path, *, overwrite: bool = False) -> ParityReport:
        """Write a model's bundle after proving that it agrees with the original."""
        parts = self.experiment.parts
        data: dict[str, str | int | float] = {
            **self.log.facts,
            "target": self.task.target.name,
            "decisions": self.task.decisions.name,
            "known_only": int(self.task.known_only),
            "seed": self.options.seed,
            **{f"{name}_rows": part.rows for name, part in parts.facts.items()},
        }
        if result.threshold is not None:
            data["threshold"] = result.threshold
        fitted = self.experiment.fitted[result.kind]
        return export_fitted(
            fitted,
            directory,
            rows=parts.test.features[:: max(1, len(parts.test) // _PARITY_ROWS)],
            feature_set=self.task.feature_set,
            metrics={
                name: round(metric.value, 6) for name, metric in result.metrics.items() if metric.value is not None
            },
            data=data,
            baseline=self._baseline(fitted),
            overwrite=overwrite,
        )

    def _baseline(self, fitted: FittedModel) -> Mapping[str, bytes]:
        """Build the baseline that a server compares with; of the parts, the same columns for every kind."""
        served, task = self.experiment.parts.train.served, self.task
        if served is None or self.features is None:
            return {}
        return with_scores(
            self.features,
            served,
            fitted.predict,
            after_unix_micros=int(self.experiment.parts.train.times_unix_micros.max()),
            time_zone=task.feature_set.time_zone,
        )


def train_on_log(
    log: LogSource,
    task: PredictionTask,
    to: Path,
    *,
    kinds: Sequence[str] = (),
    options: ExperimentOptions,
    workers: int = 1,
    bundle: BundleOutput | None = None,
    overwrite: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Results:
    """Train on a log and write a run's folder.

    Args:
        log: The log; read twice, the second time for the leakage check with the clock one second earlier.
        task: What to predict.
        to: The folder: ``results.json``, ``report.html``, and a bundle ``models/<kind>/1`` of each kind. Written as a whole or not
            at all.
        kinds: The kinds of models; empty for the default ones. Baselines are added to the comparison.
        options: How to train and measure.
        workers: The number of processes that replay; the rows do not depend on it.
        bundle: Where to write the best of the models in addition.
        overwrite: Whether to replace the folder and the bundle if they exist.
        on_progress: Called with a short description of each step.

    Returns:
        The results, as written to the folder.

    Raises:
        TrainingError: The log or the task does not allow it; the message names the log.
        ExportError: None of the models can be exported faithfully, or the bundle cannot be written.
        OSError: The log cannot be read, or the folder or bundle not written.
    """
    for place in (to, *(() if bundle is None else (bundle.directory,))):
        check_place(place.resolve())
    kinds = choose_kinds(task.target.name, kinds, classifies=task.target.is_classification)
    began = perf_counter()
    skipped = SkippedRows()
    unseen = UnseenAttributes(task.feature_set.custom)
    dataset = read_dataset(log, task, skipped=skipped, workers=workers, unseen=unseen, on_progress=on_progress)
    replay_seconds = perf_counter() - began
    try:
        experiment = run_experiment(
            dataset,
            kinds,
            options=options,
            shifted=lambda: read_dataset(
                log,
                task,
                skipped=SkippedRows(),
                workers=workers,
                now_shift_micros=_SHIFT_MICROS,
                on_progress=on_progress,
            ),
            on_progress=on_progress,
        )
    except DatasetError as error:
        raise DatasetError(f"{log.location}: {error}") from error
    on_progress("drawing visitors to see what is usual")
    features = None if dataset.served is None else baseline_of_features(dataset.served, task.feature_set)
    run = _Run(log=log, task=task, options=options, experiment=experiment, features=features)
    with arriving_folder(to.resolve(), overwrite=overwrite) as folder:
        models = _export_models(run, folder / "models", kinds, on_progress)
        results = Results(
            name=to.resolve().name,
            seed=options.seed,
            draws=options.draws,
            data=DataFacts(
                source=log.name,
                target=task.target.name,
                decisions=task.decisions_text,
                feature_set=task.feature_set.name,
                features=task.feature_set.features,
                time_zone=task.feature_set.time_zone,
                log=experiment.parts.test.log,
                skipped=dict(skipped.counts),
                parts=experiment.parts.facts,
                split=_SPLIT,
                thresholds=_THRESHOLDS if task.target.is_classification else "",
            ),
            models=models,
            baseline=experiment.baseline,
            checks=experiment.checks,
            seconds={"reading and replaying": replay_seconds, **experiment.seconds},
            remarks=(
                *remarks_on(experiment.models, experiment.baseline),
                *remarks_on_order(dataset.log.order),
                *unseen.remarks,
                *remarks_on_defaults(always_default(dataset)),
            ),
        )
        write_results(folder, results)
        if bundle is not None:
            on_progress("writing the bundle")
            exported = [path.name for path in (folder / "models").iterdir()]
            _write_bundle(run, bundle, exported, overwrite=overwrite)
    return results


def _export_models(
    run: _Run, folder: Path, kinds: Sequence[str], on_progress: Callable[[str], None]
) -> list[ModelResult]:
    """Write the bundles of some kinds; returns the results of all models, with the outcome of the export."""
    models: list[ModelResult] = []
    rejected: list[ParityError | UnsupportedModelError] = []
    for result in run.experiment.results:
        if result.kind not in kinds:
            models.append(result)
            continue
        on_progress(f"proving the export of {result.kind}")
        began = perf_counter()
        try:
            report = run.export(result, folder / result.kind / _VERSION)
            outcome = (
                f"compared on {report.rows:,} rows; the largest difference of a margin is {report.max_margin_error:.1e}, "
                f"of a probability {report.max_probability_error:.1e}"
            )
        except (ParityError, UnsupportedModelError) as error:
            rejected.append(error)
            outcome = f"rejected, so there is no bundle: {error}"
        models.append(with_export(result, outcome, perf_counter() - began))
    if len(rejected) == len(kinds):
        raise rejected[0]
    return models


def _write_bundle(run: _Run, bundle: BundleOutput, exported: Sequence[str], *, overwrite: bool) -> None:
    """Write the best of the exported models under its own name."""
    candidates = [model for model in run.experiment.models if model.result.kind in exported]
    best = max(candidates, key=lambda model: model.result.skill).result
    run.export(best, bundle.directory.resolve(), overwrite=overwrite)
    if bundle.original is not None:
        bundle.original.write_text(run.experiment.fitted[best.kind].trained.model_to_string())
