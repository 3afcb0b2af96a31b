"""Whether a new version may be tried: it must not be worse than the champion on the newest outcomes, overall and per slice."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import Device
from presage_training.datasets.dataset import Dataset
from presage_training.errors import DatasetError

__all__ = ["GateReport", "GateRules", "SliceReport", "judge"]

Floats = NDArray[np.float64]

_NEAREST_TO_CERTAIN = 1e-6
_ONE_SIDED_95 = 1.645


@dataclass(frozen=True, kw_only=True, slots=True)
class GateRules:
    """How much worse a new version may be, in log loss; bounds are the upper ends of one-sided 95 % intervals.

    Raises:
        DatasetError: A field is out of its range.
    """

    tolerance: float = 0.01
    """The bound of the difference has to be below this, over all sessions."""
    slice_tolerance: float = 0.05
    """The same for each slice, whose sessions are fewer."""
    min_sessions: int = 30
    """How many sessions the window needs."""
    min_slice_sessions: int = 100
    """Slices with fewer sessions are not judged."""
    max_miscalibration: float = 0.1
    """How much further than the champion's the mean score may be from the mean outcome."""

    def __post_init__(self) -> None:
        for name in ("tolerance", "slice_tolerance", "max_miscalibration"):
            if not 0.0 <= getattr(self, name) < math.inf:
                raise DatasetError(f"gate.{name}: expected 0 or more, got {getattr(self, name)}")
        for name in ("min_sessions", "min_slice_sessions"):
            if getattr(self, name) < 2:
                raise DatasetError(f"gate.{name}: expected 2 or more, got {getattr(self, name)}")


@dataclass(frozen=True, slots=True)
class SliceReport:
    """The difference of the log losses, new minus champion, in one slice."""

    name: str
    sessions: int
    difference: float
    bound: float
    """Its upper bound."""
    tolerance: float

    @property
    def passed(self) -> bool:
        return self.bound < self.tolerance

    def __str__(self) -> str:
        return f"{self.name} {self.difference:+.4f} (at most {self.bound:+.4f}, {self.sessions:,} sessions)"


@dataclass(frozen=True, slots=True)
class GateReport:
    passed: bool
    reason: str
    """One sentence, with the numbers."""
    slices: tuple[SliceReport, ...] = ()
    """The slices that were judged, the one of all sessions first."""


def judge(window: Dataset, new: Floats, champion: Floats, rules: GateRules, *, seed: int) -> GateReport:
    """Compare the scores of a new version and of the champion on the rows of a window that neither was trained on.

    One row of each session counts, drawn by chance: the rows of a session share its outcome.

    Args:
        window: The newest rows whose outcomes are known.
        new: The new version's scores of them.
        champion: The champion's.
        rules: How much worse the new version may be.
        seed: Of the draw.
    """
    chosen = _one_of_each_session(window, seed)
    if len(chosen) < rules.min_sessions:
        return GateReport(
            passed=False, reason=f"the newest window has {len(chosen)} sessions; expected {rules.min_sessions}"
        )
    labels = window.labels[chosen].astype(np.float64)
    difference = _losses(labels, new[chosen]) - _losses(labels, champion[chosen])
    slices = tuple(
        _report(name, difference[mask], rules.tolerance if name == "all" else rules.slice_tolerance)
        for name, mask in _slices(window.take(chosen))
        if name == "all" or mask.sum() >= rules.min_slice_sessions
    )
    off_new, off_champion = (abs(float((scores[chosen] - labels).mean())) for scores in (new, champion))
    numbers = "log loss beside the champion: " + ", ".join(map(str, slices))
    failed = [part for part in slices if not part.passed]
    if failed:
        worst = max(failed, key=lambda part: part.bound - part.tolerance)
        return GateReport(
            passed=False,
            reason=f"may be worse than the champion in {worst.name}: the bound is not below {worst.tolerance:g}; {numbers}",
            slices=slices,
        )
    if off_new - off_champion > rules.max_miscalibration:
        return GateReport(
            passed=False,
            reason=f"its mean score is {off_new:.4f} from the mean outcome, the champion's {off_champion:.4f}; {numbers}",
            slices=slices,
        )
    return GateReport(passed=True, reason=f"not worse than the champion; {numbers}", slices=slices)


def _one_of_each_session(window: Dataset, seed: int) -> NDArray[np.int64]:
    order = np.random.default_rng(seed).permutation(len(window))
    # Rows without a session count once for each visitor.
    keys = np.stack([window.visitors, window.sessions], axis=1)[order]
    _, firsts = np.unique(keys, axis=0, return_index=True)
    return np.sort(order[firsts])


def _slices(rows: Dataset) -> Iterator[tuple[str, NDArray[np.bool_]]]:
    yield "all", np.ones(len(rows), np.bool_)
    yield "known", rows.known
    yield "anonymous", ~rows.known
    for device in Device:
        yield f"device {device.name.lower()}", rows.devices == int(device)


def _report(name: str, difference: Floats, tolerance: float) -> SliceReport:
    mean = float(difference.mean())
    bound = mean + _ONE_SIDED_95 * float(difference.std(ddof=1)) / math.sqrt(len(difference))
    return SliceReport(name, len(difference), mean, bound, tolerance)


def _losses(labels: Floats, scores: Floats) -> Floats:
    clipped = np.clip(scores, _NEAREST_TO_CERTAIN, 1.0 - _NEAREST_TO_CERTAIN)
    return -np.where(labels > 0.0, np.log(clipped), np.log1p(-clipped))
