"""The tolerance between ONNX Runtime and the source model: only the rounding of float32 sums."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.calibration import Calibration, to_scores
from presage_export.bundle.link import Link
from presage_export.errors import ParityError

__all__ = ["MAX_PROBABILITY_ERROR", "ParityReport", "compare_margins", "margin_limits"]

MAX_PROBABILITY_ERROR: Final = 1e-6
"""Largest permitted difference of two probabilities."""

_MARGIN_ERROR = 1e-5
_TREES_PER_MARGIN_ERROR = 100
_FLOAT32_STEP = 2.0**-23


@dataclass(frozen=True, kw_only=True, slots=True)
class ParityReport:
    """The largest differences of two models on rows that are all within the tolerance."""

    rows: int
    """Number of rows compared."""
    max_margin_error: float
    """Largest absolute difference of two margins."""
    max_probability_error: float
    """Largest absolute difference of two probabilities; 0 for a model whose scores are not probabilities."""


def margin_limits(expected: NDArray[np.float64], *, link: Link, trees: int) -> NDArray[np.float64]:
    """Return by how much each margin may differ from the source model's, as ``compare_margins`` says."""
    magnitudes = np.abs(expected)
    unit = max(1.0, float(np.max(magnitudes))) if link == "identity" else 1.0
    return np.asarray(_MARGIN_ERROR * (1 + trees / _TREES_PER_MARGIN_ERROR) * unit + _FLOAT32_STEP * magnitudes)


def compare_margins(
    expected: NDArray[np.float64],
    actual: NDArray[np.float32],
    *,
    rows: NDArray[np.float32],
    link: Link,
    trees: int,
    calibration: Calibration | None = None,
) -> ParityReport:
    """Compare the margins of two models for the same rows.

    Permitted are ``1e-5 * (1 + trees / 100)`` plus one step of float32 at the margin. The first is absolute for a log-odds and a
    probability; for the identity link, whose margins have any unit, it is multiplied by the largest expected magnitude above 1.
    Where scores are probabilities, they may differ by at most ``MAX_PROBABILITY_ERROR``.

    Args:
        expected: Margins of the source model, float64 ``[N]``, N > 0.
        actual: Margins of the export, float32 ``[N]``.
        rows: The rows, float32 ``[N, F]``.
        link: The link of both models.
        trees: Number of trees in the sum.
        calibration: Replaces the link, if given.

    Raises:
        ParityError: A row is beyond the tolerance, or a margin is not finite.
    """
    checks = {
        "margins": (np.abs(expected - actual), margin_limits(expected, link=link, trees=trees)),
        "probabilities": (np.zeros(len(rows)), np.full(len(rows), MAX_PROBABILITY_ERROR)),
    }
    if link != "identity" or calibration is not None:
        scores = [np.array(to_scores(link, calibration, margins.tolist())) for margins in (expected, actual)]
        checks["probabilities"] = (np.abs(scores[0] - scores[1]), checks["probabilities"][1])
    for what, (errors, limits) in checks.items():
        # An infinite expected margin makes its limit infinite too, so finiteness is checked as well.
        failures = ~(np.isfinite(errors) & (errors <= limits))
        if failures.any():
            worst = int(np.argmax(np.where(failures, np.where(np.isfinite(errors), errors, np.inf), -1.0)))
            raise ParityError(
                f"{np.count_nonzero(failures)} of {len(rows)} {what} differ by more than {limits[worst]:.3g}",
                row_index=worst,
                row=rows[worst],
                expected_margin=float(expected[worst]),
                actual_margin=float(actual[worst]),
            )
    return ParityReport(
        rows=len(rows),
        max_margin_error=float(np.max(checks["margins"][0])),
        max_probability_error=float(np.max(checks["probabilities"][0])),
    )
