"""The outcome of a run as plain data: what ``results.json`` holds, and all that the page is drawn from."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import msgspec
import numpy as np

from presage_training.datasets.dataset import Dataset, LogFacts
from presage_training.datasets.leakage import LeakageWarning
from presage_training.report.curves import Curve, Histogram
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
    """What a part of the rows is."""

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
    """Where the rows come from."""

    source: str
    """The log's name, without its folder."""
    target: str
    decisions: str
    feature_set: str
    features: tuple[str, ...]
    time_zone: str
    log: LogFacts
    skipped: Mapping[str, int]
    """What the reader left out, by reason."""
    parts: Mapping[str, PartFacts]
    """By name: train, tune, test; or all."""
    split: str
    """How the parts came about, in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class SliceResult:
    """How a model does on some of the rows."""

    by: str
    """What the rows are told apart by: visitor, device, country or session prefix."""
    name: str
    """Which of them."""
    rows: int
    positives: int
    metrics: Mapping[str, Metric]


@dataclass(frozen=True, kw_only=True, slots=True)
class ModelResult:
    """How one model did on the rows that it was measured on."""

    kind: str
    is_baseline: bool
    metrics: Mapping[str, Metric]
    ahead: Metric | None = None
    """By how much its ROC-AUC, or R2, is above that of the best baseline, over the same draws; None for a baseline."""
    threshold: float | None = None
    """From which score on a row counts as positive; None where scores are amounts."""
    roc: Curve = ()
    """False positive rate, true positive rate."""
    precision_recall: Curve = ()
    """Recall, precision."""
    calibration: Curve = ()
    """Mean score, share of positives; of tenths of the rows."""
    histogram: Histogram | None = None
    gain: Mapping[str, float] | None = None
    """Share of each feature in what training gained by splits on it, or of its standardised coefficient; None if it has neither."""
    permutation: Mapping[str, float] | None = None
    """What ROC-AUC, or R2, loses when a feature's values are dealt out anew; None for a baseline."""
    slices: Sequence[SliceResult] = ()
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """What the search chose."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step took."""
    export: str = ""
    """What the parity gate said."""

    @property
    def label(self) -> str:
        """Its kind, and what it looks at if that is a single feature."""
        feature = self.parameters.get("feature")
        return self.kind if feature is None else f"{self.kind} ({feature})"


@dataclass(frozen=True, kw_only=True, slots=True)
class Check:
    """A check for leakage."""

    name: str
    warnings: Sequence[LeakageWarning]
    """Empty if all is well."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Results:
    """One run."""

    name: str
    seed: int
    draws: int
    """How many draws each interval rests on."""
    data: DataFacts
    models: Sequence[ModelResult]
    baseline: str | None
    """Kind of the best baseline."""
    checks: Sequence[Check] = ()
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long each step of the whole took."""
    remarks: Sequence[str] = ()
    """What the intervals do not allow to be said, in words."""


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
    """Write results as JSON, indented, with a line end; figures that there are none of are null."""
    return msgspec.json.format(msgspec.json.encode(results), indent=2) + b"\n"
