"""All that is known of one version, as the page shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final, TypeVar

from presage_client import ModelDetails, VersionState

__all__ = ["Fact", "Importance", "VersionPage", "describe_version", "main_metric"]

Value = TypeVar("Value")

_MICROS_SUFFIX = "_unix_micros"

_METRICS: Final[Mapping[str, tuple[str, str]]] = {
    "roc_auc": ("ROC-AUC", "how well buyers are ranked above others: 0.5 is chance, 1 is perfect"),
    "pr_auc": ("PR-AUC", "the mean precision over all thresholds; chance is the share of buyers"),
    "log_loss": ("log loss", "how surprised the scores were by what happened; lower is better"),
    "brier": ("Brier score", "the mean squared error of the probabilities; lower is better"),
    "accuracy": ("accuracy", "the share of right answers at the threshold"),
    "precision": ("precision", "the share of those above the threshold that bought"),
    "recall": ("recall", "the share of buyers that are above the threshold"),
    "lift_at_10_percent": ("lift in the top 10 %", "how many times the mean rate of buyers the highest tenth has"),
    "rmse": ("RMSE", "the root of the mean squared error, in the unit of the target"),
    "mae": ("MAE", "the mean absolute error, in the unit of the target"),
    "r2": ("R²", "the share of the variance that is explained; 1 is perfect"),
    "ndcg_at_10": ("NDCG@10", "how far up the first ten the right items are; 1 is perfect"),
    "precision_at_10": ("precision@10", "the share of right items among the first ten"),
    "recall_at_10": ("recall@10", "the share of the right items that are among the first ten"),
    "hit_rate_at_10": ("hit rate@10", "the share of lists with a right item among the first ten"),
    "hit_rate_at_20": ("hit rate@20", "the share of lists with a right item among the first twenty"),
    "mrr_at_20": ("MRR@20", "the mean of 1 / the place of the first right item; 0 beyond the first twenty"),
}
_DATA_ORDER: Final = (
    "source",
    "target",
    "question",
    "kind",
    "decisions",
    "visitors",
    "days",
    "train_rows",
    "fit_queries",
)
"""The facts that come first about the data that a version was trained on."""
_MAIN: Final = ("roc_auc", "ndcg_at_10", "r2")

_STATES: Final = {
    VersionState.LOADED: "loaded",
    VersionState.AVAILABLE: "available, not loaded",
    VersionState.REJECTED: "cannot be served",
    VersionState.UNSPECIFIED: "in a state that this console does not know",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """A named value."""

    name: str
    value: str | float
    meaning: str = ""
    is_time: bool = False
    """Whether the value is in microseconds of Unix time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Importance:
    """How much a feature matters."""

    feature: str
    share: float
    """Of the model, 0 to 1."""


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionPage:
    """One version."""

    model: str
    version: str
    state: str
    problem: str
    feature_set: str
    fingerprint: str
    features: int
    metrics: tuple[Fact, ...]
    training_data: tuple[Fact, ...]
    libraries: tuple[Fact, ...]
    importances: tuple[Importance, ...]
    """The largest first; empty where the bundle states none: ``missing`` says why."""
    missing: tuple[str, ...]
    golden: str
    """What the check of the golden rows showed; empty if there was none."""


def describe_version(found: ModelDetails) -> VersionPage:
    """Describe one version."""
    stated = [(name, share) for name, share in found.importances.items() if share is not None]
    check = found.golden_check
    return VersionPage(
        model=found.model,
        version=found.version,
        state=state_words(found.state),
        problem=found.problem,
        feature_set=found.feature_set,
        fingerprint=found.fingerprint,
        features=len(found.importances),
        metrics=tuple(_metric(name, value) for name, value in _in_order(found.metrics, tuple(_METRICS))),
        training_data=tuple(_training_fact(name, value) for name, value in _in_order(found.training_data, _DATA_ORDER)),
        libraries=tuple(Fact(name=name, value=value) for name, value in sorted(found.libraries.items())),
        importances=tuple(
            Importance(feature=name, share=share)
            for name, share in sorted(stated, key=lambda each: (-each[1], each[0]))
        ),
        missing=found.missing,
        golden="" if check is None else f"{check.rows:,} golden rows, largest difference {check.max_difference:.1e}",
    )


def main_metric(metrics: Mapping[str, float]) -> tuple[str, str, float] | None:
    """Return the metric that versions are ranked by: its name, what it is called, its value; None if there is none."""
    for name in _MAIN:
        if name in metrics:
            return name, metric_words(name)[0], metrics[name]
    return None


def metric_words(name: str) -> tuple[str, str]:
    """Return what a metric is called, and what it means."""
    return _METRICS.get(name, (name.replace("_", " "), ""))


def state_words(state: VersionState) -> str:
    """Say what became of a version in the server that answered."""
    return _STATES[state]


def _in_order(values: Mapping[str, Value], first: Sequence[str]) -> Sequence[tuple[str, Value]]:
    """Return named values, those of ``first`` in its order and the others by name."""
    return sorted(values.items(), key=lambda each: (first.index(each[0]) if each[0] in first else len(first), each[0]))


def _metric(name: str, value: float) -> Fact:
    called, meaning = metric_words(name)
    return Fact(name=called, value=value, meaning=meaning)


def _training_fact(name: str, value: str) -> Fact:
    if name.endswith(_MICROS_SUFFIX) and value.isdigit():
        return Fact(name=name.removesuffix(_MICROS_SUFFIX).replace("_", " "), value=float(value), is_time=True)
    is_count = value.isdigit() and (name.endswith(("_rows", "_queries")) or name == "visitors")
    return Fact(name=name.replace("_", " "), value=f"{int(value):,}" if is_count else value)
