"""A run's folder: the results, the page, and a bundle of each model."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from time import perf_counter

from presage_export.errors import ParityError, UnsupportedModelError
from presage_training.errors import DatasetError
from presage_training.experiment.comparing import Experiment, run_experiment, with_export
from presage_training.experiment.logs import LogSource, PredictionTask, read_dataset
from presage_training.experiment.planning import ExperimentOptions, choose_kinds
from presage_training.experiment.remarks import remarks_on
from presage_training.models import export_fitted
from presage_training.readers import SkippedRows
from presage_training.report import DataFacts, ModelResult, Results, write_results
from presage_training.report.writing import arriving_folder, check_place

__all__ = ["train_on_log", "write_run"]

_PARITY_ROWS = 10_000
_SHIFT_MICROS = -1_000_000
_VERSION = "1"


def train_on_log(
    log: LogSource,
    task: PredictionTask,
    to: Path,
    *,
    kinds: Sequence[str] = (),
    options: ExperimentOptions,
    workers: int = 1,
    overwrite: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Results:
    """Train on a log and write a run's folder.

    Args:
        log: The log; read twice, the second time for the leakage check that takes it to be a second earlier.
        task: What is asked of it.
        to: The folder: ``results.json``, ``report.html``, and a bundle ``models/<kind>/1`` of each kind asked for. There whole or
            not at all.
        kinds: Which models; none asks for the usual ones. Baselines are added to the comparison.
        options: How to train and measure.
        workers: How many processes replay; the rows are the same.
        overwrite: Whether to replace the folder if it is there.
        on_progress: Called with a short description of each step.

    Raises:
        TrainingError: The log or the task does not allow it; the message names the file.
        ExportError: Not one of the models can be exported faithfully.
        OSError: The log cannot be read, or the folder not written.
    """
    check_place(to.resolve())
    chosen = choose_kinds(task.target.name, kinds, classifies=task.target.is_classification)
    began = perf_counter()
    skipped = SkippedRows()
    dataset = read_dataset(log, task, skipped=skipped, workers=workers, on_progress=on_progress)
    replay_seconds = perf_counter() - began
    try:
        experiment = run_experiment(
            dataset,
            chosen,
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
        raise DatasetError(f"{log.path}: {error}") from error
    return write_run(
        experiment,
        task,
        to,
        source=log.path.name,
        skipped=skipped.counts,
        kinds=chosen,
        options=options,
        seconds={"reading and replaying": replay_seconds},
        overwrite=overwrite,
        on_progress=on_progress,
    )


def write_run(
    experiment: Experiment,
    task: PredictionTask,
    to: Path,
    *,
    source: str,
    skipped: Mapping[str, int],
    kinds: Sequence[str],
    options: ExperimentOptions,
    seconds: Mapping[str, float],
    overwrite: bool = False,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Results:
    """Export models and write a run's folder, whole or not at all; see ``train_on_log`` for what is in it.

    Args:
        experiment: What was trained and measured.
        task: What was asked.
        to: The folder.
        source: The log's name.
        skipped: What the reader left out.
        kinds: Which models to export.
        options: How they were trained.
        seconds: How long it took to get to the rows.
        overwrite: Whether to replace the folder if it is there.
        on_progress: Called with a short description of each step.

    Raises:
        ExportError: Not one of the models can be exported faithfully.
        OSError: The folder cannot be written.
    """
    parts = experiment.parts
    to = to.resolve()
    with arriving_folder(to, overwrite=overwrite) as folder:
        models: list[ModelResult] = []
        refused: list[ParityError | UnsupportedModelError] = []
        for result in experiment.results:
            if result.kind not in kinds:
                models.append(result)
                continue
            on_progress(f"proving the export of {result.kind}")
            began = perf_counter()
            try:
                report = export_fitted(
                    experiment.fitted[result.kind],
                    folder / "models" / result.kind / _VERSION,
                    rows=parts.test.features[:: max(1, len(parts.test) // _PARITY_ROWS)],
                    feature_set=task.feature_set,
                    metrics={
                        name: round(metric.value, 6)
                        for name, metric in result.metrics.items()
                        if metric.value is not None
                    },
                    data=_manifest_data(experiment, task, result, source, options),
                )
                said = (
                    f"compared on {report.rows:,} rows; the largest difference of a margin is {report.max_margin_error:.1e}, "
                    f"of a probability {report.max_probability_error:.1e}"
                )
            except (ParityError, UnsupportedModelError) as error:
                refused.append(error)
                said = f"refused, so there is no bundle: {error}"
            models.append(with_export(result, said, perf_counter() - began))
        if len(refused) == len(kinds):
            raise refused[0]
        results = Results(
            name=to.name,
            seed=options.seed,
            draws=options.draws,
            data=DataFacts(
                source=source,
                target=task.target.name,
                decisions=task.decisions.name + (", for known visitors" if task.known_only else ""),
                feature_set=task.feature_set.name,
                features=task.feature_set.features,
                time_zone=task.feature_set.time_zone,
                log=parts.test.log,
                skipped=dict(skipped),
                parts=experiment.parts.facts,
                split=(
                    "Split by time: no label of a part was settled after the next part began. Visitors may have rows in several "
                    "parts, as they come back to a shop whose model they helped to train."
                ),
            ),
            models=models,
            baseline=experiment.baseline,
            checks=experiment.checks,
            seconds={**seconds, **experiment.seconds},
            remarks=remarks_on(experiment.models, experiment.baseline),
        )
        write_results(folder, results)
    return results


def _manifest_data(
    experiment: Experiment, task: PredictionTask, result: ModelResult, source: str, options: ExperimentOptions
) -> dict[str, str | int | float]:
    data: dict[str, str | int | float] = {
        "source": source,
        "target": task.target.name,
        "decisions": task.decisions.name,
        "known_only": int(task.known_only),
        "seed": options.seed,
        **{f"{name}_rows": part.rows for name, part in experiment.parts.facts.items()},
    }
    return data if result.threshold is None else {**data, "threshold": result.threshold}
