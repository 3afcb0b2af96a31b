"""The results of a run as plain data, the content of ``results.json`` and of the page."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from presage_training.datasets.dataset import Dataset, LogFacts
from presage_training.datasets.leakage import LeakageWarning
from presage_training.report.curves import Curve, Histogram
from presage_training.report.explained import Explanations
from presage_training.report.metrics import Metric

__all__ = [
    "Check",
    "DataFacts",
    "ModelResult",
    "PartFacts",
    "Results",
    "SliceResult",
    "encode_results",
    "facts_of_part",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class PartFacts:
    """Counts of a part of the rows."""

    rows: int
    visitors: int
    positives: int
    """Rows whose label is true, or above 0."""
    mean_label: float
    """The class balance; where labels are amounts, their mean."""
    first_unix_micros: int
    """When the first decision was due."""
    last_unix_micros: int
    """When the last decision was due."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFacts:
    """The log, the task, and the parts of the rows."""

    source: str
    """The log's name, without its folder."""
    target: str
    decisions: str
    feature_set: str
    features: tuple[str, ...]
    time_zone: str
    log: LogFacts
    skipped: Mapping[str, int]
    """The number of rows that the reader skipped, by reason."""
    parts: Mapping[str, PartFacts]
    """By name: train, tune, test; or all."""
    split: str
    """A description of the split."""
    thresholds: str = ""
    """Which thresholds accuracy, precision and recall are at; empty if they are 0.5, or for amounts."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceResult:
    """A model's metrics on a slice of the rows."""

    by: str
    """The property: visitor, device, country or session prefix."""
    name: str
    """The value of the property."""
    rows: int
    positives: int
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelResult:
    """A model's metrics, curves and importances."""

    kind: str
    is_baseline: bool
    metrics: Mapping[str, Metric]
    ahead: Metric | None = None
    """The difference of its ROC-AUC, or R2, from the best baseline's over the same draws; None for a baseline."""
    threshold: float | None = None
    """The lowest score that counts as positive; None where scores are amounts."""
    roc: Curve = ()
    """False positive rate, true positive rate."""
    precision_recall: Curve = ()
    """Recall, precision."""
    calibration: Curve = ()
    """Mean score, share of positives; of tenths of the rows."""
    histogram: Histogram | None = None
    gain: Mapping[str, float] | None = None
    """Share of each feature in the gain of splits, or in the standardised coefficients; None if it has neither."""
    permutation: Mapping[str, float] | None = None
    """The loss of ROC-AUC, or R2, when a feature's values are permuted; None for a baseline."""
    explanations: Explanations | None = None
    """What its scores are made of; None unless asked for."""
    slices: Sequence[SliceResult] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """The result of the search."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The duration of each step."""
    export: str = ""
    """The outcome of the parity gate."""

    @property
    def skill(self) -> float:
        """The metric that models are ranked by, ROC-AUC or R2; minus infinity if it is not defined."""
        value = self.metrics["roc_auc" if "roc_auc" in self.metrics else "r2"].value
        return float("-inf") if value is None else value

    @property
    def label(self) -> str:
        """Its kind, and the feature of a single-feature model."""
        feature = self.parameters.get("feature")
        return self.kind if feature is None else f"{self.kind} ({feature})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A leakage check."""

    name: str
    warnings: Sequence[LeakageWarning]
    """Empty if the check passed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """One run."""

    name: str
    seed: int
    draws: int
    """The number of draws for each interval."""
    data: DataFacts
    models: Sequence[ModelResult]
    baseline: str | None
    """Kind of the best baseline."""
    checks: Sequence[Check] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """The duration of each step of the run."""
    remarks: Sequence[str] = ()
    """See ``remarks_on``."""


def facts_of_part(part: Dataset) -> PartFacts:
    """Describe some rows; there is at least one."""
    return PartFacts(
        rows=len(part),
        visitors=len(np.unique(part.visitors)),
        positives=int(part.positive.sum()),
        mean_label=float(part.labels.mean()),
        first_unix_micros=int(part.times_unix_micros.min()),
        last_unix_micros=int(part.times_unix_micros.max()),
    )


def encode_results(results: Results) -> bytes:
    """Write results as JSON, indented, with a line end; undefined values are null."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"
