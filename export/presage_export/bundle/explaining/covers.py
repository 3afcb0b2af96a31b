"""``explain.npz``: what explanations need to know of the training data, and a graph does not say.

``cover.WEIGHTING``   float32 or float64 [nodes], how much of the training data reached each node of each tree, in the graph's order
``means``             float64 [F], the mean of each feature, of a model with a linear part

A model of both kinds has both arrays. WEIGHTING says what covers count; each training library has its own, and so have its own
contributions.
"""

from __future__ import annotations

import io
import zipfile
from dataclasses import dataclass
from typing import Any, Final, Literal, cast, get_args

import numpy as np
from numpy.typing import NDArray

from presage_export.array_files import read_arrays

__all__ = ["CoverWeighting", "Covers", "pack_covers", "unpack_covers"]

CoverWeighting = Literal["rows", "hessians", "weighted_rows", "mixed"]
"""What a cover counts: ``rows`` (LightGBM), ``hessians``, the sum of the loss's second derivatives (XGBoost), ``weighted_rows``
(scikit-learn); ``mixed`` where trees of several libraries are summed, each with its own."""

_MEANS: Final = "means"
_COVER: Final = "cover."
_COVER_NAMES: Final = frozenset(_COVER + weighting for weighting in get_args(CoverWeighting))


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Covers:
    """The arrays of the file; each is empty if the model has no such part."""

    cover: NDArray[np.float64]
    """How much of the training data reached each node, ``[nodes]``, finite and not negative."""
    weighting: CoverWeighting | None
    """What covers count; None without trees."""
    means: NDArray[np.float64]
    """The mean of each feature, ``[F]``."""


def pack_covers(covers: Covers) -> bytes:
    """Write the file; the same arrays give the same bytes."""
    arrays: dict[str, NDArray[Any]] = {}
    if covers.weighting is not None:
        narrow = covers.cover.astype(np.float32)
        arrays[_COVER + covers.weighting] = narrow if (narrow == covers.cover).all() else covers.cover
    if len(covers.means):
        arrays[_MEANS] = covers.means
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_STORED) as archive:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.lib.format.write_array(content, array, version=(1, 0), allow_pickle=False)
            # Without the time of now that writestr takes for a plain name.
            archive.writestr(zipfile.ZipInfo(f"{name}.npy"), content.getvalue())
    return buffer.getvalue()


def unpack_covers(data: bytes, *, node_count: int, feature_count: int, max_bytes: int) -> Covers:
    """Read the file, and check the types, shapes and numbers of its arrays.

    Args:
        data: The file.
        node_count: Nodes of all trees of the graph; 0 without trees.
        feature_count: F.
        max_bytes: How large it may be unpacked.

    Raises:
        ValueError: The bytes are not such a file.
    """
    weightings = ", ".join(repr(_COVER + name) for name in get_args(CoverWeighting))
    problem = f"is no archive of {_MEANS!r} and one of {weightings}"
    arrays = read_arrays(data, problem=problem, has_names=_has_names, max_bytes=max_bytes)
    means = arrays.pop(_MEANS, np.zeros(0))
    weighting: CoverWeighting | None = None
    cover = np.zeros(0)
    if arrays:
        ((name, cover),) = arrays.items()
        weighting = cast("CoverWeighting", name.removeprefix(_COVER))
    if cover.shape != (node_count,):
        raise ValueError(f"cover: expected one for each of {node_count} nodes, got shape {list(cover.shape)}")
    if means.shape not in {(0,), (feature_count,)}:
        raise ValueError(f"means: expected none, or {feature_count}, got shape {list(means.shape)}")
    if not (np.isfinite(cover).all() and (cover >= 0.0).all() and np.isfinite(means).all()):
        raise ValueError("expected finite numbers, and no cover below 0")
    return Covers(cover=cover.astype(np.float64), weighting=weighting, means=means.astype(np.float64))


def _has_names(names: list[str]) -> bool:
    covers = [name for name in names if name != _MEANS]
    return len(covers) <= 1 and len(names) - len(covers) <= 1 and {*covers} <= _COVER_NAMES
