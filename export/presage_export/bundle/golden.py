"""``golden.npz``: rows, and what the model makes of them.

``rows``      float32 [G, F]
``margins``   float64 [G], of the source model
``scores``    float64 [G], that the bundle served when it was written
``curve``     float64 [M, 2], margins and the scores of them: the link and the calibration, apart from the graph

Format 1 has only the first two.
"""

from __future__ import annotations

import io
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from presage_export.array_files import read_arrays
from presage_export.bundle.calibration import Calibration, IsotonicCalibration, to_scores
from presage_export.bundle.link import Link

__all__ = ["MIN_GOLDEN_ROWS", "Golden", "compare_scores", "curve_of", "pack_golden", "unpack_golden"]

MIN_GOLDEN_ROWS: Final = 32
"""Fewest golden rows that are a meaningful check of a host."""

_UNSCORED_ARRAYS: Final = ("rows", "margins")
_ARRAYS: Final = (*_UNSCORED_ARRAYS, "scores", "curve")
_MAX_CURVE_POINTS = 50_000
# Two steps of float32: hosts may round the sum of the leaves to either neighbour.
_MARGIN_STEP = 2.0**-22
_CURVE_ERROR = 1e-12


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Golden:
    """The arrays of a golden file."""

    rows: NDArray[np.float32]
    """Feature rows, ``[G, F]``."""
    margins: NDArray[np.float64]
    """The source model's margins of them, ``[G]``."""
    scores: NDArray[np.float64] | None
    """The scores of them that the bundle served when it was written, ``[G]``; None in format 1."""
    curve: NDArray[np.float64] | None
    """Margins and the scores that the link or the calibration gives them, ``[M, 2]``; None in format 1."""


def curve_of(link: Link, calibration: Calibration | None) -> NDArray[np.float64]:
    """Compute the scores of margins between -16 and 16, and on and between an isotonic calibration's knots."""
    margins = np.linspace(-16.0, 16.0, 129).tolist()
    if isinstance(calibration, IsotonicCalibration):
        margins += calibration.margins
        margins += [low + (high - low) / 2 for low, high in pairwise(calibration.margins)]
    margins = sorted(set(margins))
    return np.column_stack([margins, to_scores(link, calibration, margins)])


def compare_scores(golden: Golden, margins: NDArray[np.float32], link: Link, calibration: Calibration | None) -> None:
    """Compare the scores of margins of the golden rows on this host with those at export, and the curve.

    A score may be that of a margin two steps of float32 away, and no other. Of a golden file without scores, nothing is compared.

    Raises:
        ValueError: A score is another.
    """
    if golden.scores is None or golden.curve is None:
        return
    curve = np.array(to_scores(link, calibration, golden.curve[:, 0].tolist()))
    if not (np.abs(curve - golden.curve[:, 1]) <= _CURVE_ERROR * np.maximum(1.0, np.abs(golden.curve[:, 1]))).all():
        raise ValueError("the link or the calibration is not the one that the scores were computed with")
    wide = margins.astype(np.float64)
    steps = _MARGIN_STEP * np.maximum(1.0, np.abs(wide))
    lowest, highest = (np.array(to_scores(link, calibration, (wide + sign * steps).tolist())) for sign in (-1, 1))
    # Where a curve is flat, hosts may differ in the last bit.
    slack = _CURVE_ERROR * np.maximum(1.0, np.abs(golden.scores))
    if not (failures := ~((lowest - slack <= golden.scores) & (golden.scores <= highest + slack))).any():
        return
    worst = int(np.argmax(failures))
    (score,) = to_scores(link, calibration, [float(wide[worst])])
    raise ValueError(
        f"{np.count_nonzero(failures)} of {len(margins)} scores differ; "
        f"row {worst} scores {score!r}, expected {float(golden.scores[worst])!r}"
    )


def pack_golden(golden: Golden) -> bytes:
    """Write a golden file; the same arrays give the same bytes."""
    buffer = io.BytesIO()
    arrays = {name: getattr(golden, name) for name in _ARRAYS}
    np.savez(buffer, **{name: array for name, array in arrays.items() if array is not None})
    return buffer.getvalue()


def unpack_golden(data: bytes, *, feature_count: int, max_bytes: int, scored: bool = True) -> Golden:
    """Read a golden file, and check the types and shapes of its arrays.

    Args:
        data: The file.
        feature_count: Columns of its rows.
        max_bytes: Its largest size, unpacked.
        scored: Whether it has scores, as since format 2.

    Raises:
        ValueError: The bytes are not such a file.
    """
    names = _ARRAYS if scored else _UNSCORED_ARRAYS
    arrays = read_arrays(
        data,
        problem=f"is no archive of the arrays {', '.join(map(repr, names))}",
        has_names=lambda found: sorted(found) == sorted(names),
        max_bytes=max_bytes,
    )
    rows, margins = (arrays[name] for name in _UNSCORED_ARRAYS)
    _require("rows", rows, np.float32, (len(rows) if rows.ndim else 0, feature_count))
    _require("margins", margins, np.float64, (len(rows),))
    if len(rows) < MIN_GOLDEN_ROWS:
        raise ValueError(f"expected at least {MIN_GOLDEN_ROWS} golden rows, got {len(rows)}")
    if not scored:
        return Golden(rows=rows, margins=margins, scores=None, curve=None)
    scores, curve = arrays["scores"], arrays["curve"]
    _require("scores", scores, np.float64, (len(rows),))
    _require("curve", curve, np.float64, (len(curve) if curve.ndim else 0, 2))
    if not 1 <= len(curve) <= _MAX_CURVE_POINTS:
        raise ValueError(f"curve: expected 1 to {_MAX_CURVE_POINTS} points, got {len(curve)}")
    return Golden(rows=rows, margins=margins, scores=scores, curve=curve)


def _require(name: str, array: NDArray[Any], dtype: type[np.floating], shape: tuple[int, ...]) -> None:
    if array.dtype != dtype or array.shape != shape:
        raise ValueError(
            f"{name}: expected {np.dtype(dtype)} of shape {list(shape)}, got {array.dtype} of shape {list(array.shape)}"
        )
