"""One training, in a process of its own that gives way to all others: ``python -m presage_training.retrain FOLDER``.

The folder holds ``spec.json``; the process writes the bundle into it and, last of all, ``outcome.json``.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path
from typing import Final

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import read_bundle
from presage_featurizer import FeatureSet
from presage_training.datasets.dataset import Dataset
from presage_training.datasets.targets import PurchaseInSession, Target, parse_target
from presage_training.errors import DatasetError
from presage_training.experiment.drift_baseline import baseline_of_features, with_scores
from presage_training.experiment.logs import LogFile, PredictionTask, read_dataset
from presage_training.experiment.planning import ExperimentOptions, Parts, split_parts, to_rows
from presage_training.learning.gate import GateReport, GateRules, judge
from presage_training.learning.prior import PRIOR_KIND, write_prior
from presage_training.learning.process import TrainingOutcome, run_process
from presage_training.models import FitOptions, FittedModel, export_fitted, fit
from presage_training.project.project import choose_features
from presage_training.readers import LogFormat, SkippedRows
from presage_training.replaying.decisions import parse_decisions
from presage_training.report import Resamples, best_threshold

__all__ = ["TrainingSpec", "main", "train"]

_DAY_MICROS: Final = 86_400_000_000
_PARITY_ROWS: Final = 10_000
_DRAWS: Final = 100


class TrainingSpec(msgspec.Struct, frozen=True, kw_only=True):
    """What to train; names as the command line takes them."""

    archive: str
    name: str
    version: str
    kind: str
    """A kind of model, or ``prior``."""
    champion: str
    """The folder of the champion's bundle, whose features are kept; empty: there is none."""
    features: str
    time_zone: str
    target: str
    decisions: str
    history_days: float
    window_share: float
    default_rate: float
    gate: GateRules
    seed: int


def train(spec: TrainingSpec, folder: Path) -> TrainingOutcome:
    """Train as a spec says, and write the bundle into a folder.

    Raises:
        TrainingError, ExportError, FeaturizerError: The data do not allow it.
        OSError: The archive cannot be read, or the folder not written.
    """
    directory = folder / spec.name / spec.version
    champion = read_bundle(Path(spec.champion)) if spec.champion else None
    feature_set = choose_features(None, spec.features, spec.time_zone)
    if champion is not None:
        feature_set = FeatureSet.restore(champion.manifest.feature_set)
    task = PredictionTask(
        target=_as_judged(parse_target(spec.target)), decisions=parse_decisions(spec.decisions), feature_set=feature_set
    )
    log = LogFile(path=Path(spec.archive), source=LogFormat.ARCHIVE, as_recorded=True)
    dataset = _newest(read_dataset(log, task, skipped=SkippedRows()), spec.history_days)
    if spec.kind == PRIOR_KIND:
        write_prior(
            directory,
            dataset,
            task.feature_set,
            target=spec.target,
            decisions=spec.decisions,
            default_rate=spec.default_rate,
        )
        reason = f"counted from {len(dataset):,} rows, {int(dataset.positive.sum()):,} of them before a purchase"
        return TrainingOutcome(trained=True, passed=True, reason=reason)
    options = ExperimentOptions(seed=spec.seed, train_share=1.0 - spec.window_share)
    parts = split_parts(dataset, options)
    fitted = fit(spec.kind, to_rows(parts.train), to_rows(parts.tune), seed=spec.seed, options=FitOptions())
    _export(fitted, parts, directory, spec, task)
    window = parts.test.features
    new = np.array(read_bundle(directory).scores(window))
    if champion is None:
        report = GateReport(passed=True, reason="there is no champion to compare with")
    else:
        report = judge(parts.test, new, np.array(champion.scores(window)), spec.gate, seed=spec.seed)
    return TrainingOutcome(trained=True, passed=report.passed, reason=report.reason)


def _export(fitted: FittedModel, parts: Parts, directory: Path, spec: TrainingSpec, task: PredictionTask) -> None:
    test = parts.test
    threshold = best_threshold(parts.tune.positive, fitted.predict(parts.tune.features))
    export_fitted(
        fitted,
        directory,
        rows=test.features[:: max(1, len(test) // _PARITY_ROWS)],
        feature_set=task.feature_set,
        metrics=_metrics(test, fitted.predict(test.features), threshold, spec.seed),
        data={
            "source": "archive",
            "target": spec.target,
            "decisions": task.decisions.name,
            "known_only": 0,
            "seed": spec.seed,
            "threshold": threshold,
            "log_end_unix_micros": test.log.last_unix_micros,
            **{f"{name}_rows": part.rows for name, part in parts.facts.items()},
        },
        baseline=_baseline(fitted, parts, task.feature_set),
    )


def _metrics(test: Dataset, scores: NDArray[np.float64], threshold: float, seed: int) -> dict[str, float]:
    resamples = Resamples(labels=test.labels, visitors=test.visitors, seed=seed, draws=_DRAWS)
    measured = resamples.measure(scores, threshold=threshold).metrics()
    return {name: round(metric.value, 6) for name, metric in measured.items() if metric.value is not None}


def _baseline(fitted: FittedModel, parts: Parts, feature_set: FeatureSet) -> dict[str, bytes]:
    served = parts.train.served
    if served is None:
        return {}
    return with_scores(
        baseline_of_features(served, feature_set),
        served,
        fitted.predict,
        after_unix_micros=int(parts.train.times_unix_micros.max()),
        time_zone=feature_set.time_zone,
    )


def _as_judged(target: Target) -> Target:
    """Label sessions once they have ended, as verdicts do: in a young archive, purchases of open ones would be the majority."""
    return replace(target, ended_only=True) if isinstance(target, PurchaseInSession) else target


def _newest(dataset: Dataset, days: float) -> Dataset:
    if not days:
        return dataset
    newest = dataset.times_unix_micros >= dataset.log.last_unix_micros - round(days * _DAY_MICROS)
    if not newest.any():
        raise DatasetError(f"history_days: no outcome is known of the newest {days:g} days; give more")
    return dataset.take(newest)


def main() -> None:
    """Train as the folder's spec says."""
    run_process(TrainingSpec, train)


if __name__ == "__main__":
    main()
