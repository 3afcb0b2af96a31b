"""Errors between a trained model and a bundle that serves.

    ExportError
    ├── UnsupportedModelError   the model has a property that ONNX would get wrong
    ├── ParityError             ONNX Runtime and the source model disagree on a row
    ├── OnnxModelError          ONNX Runtime rejects the graph, or its inputs or outputs have another shape
    ├── BundleError             a bundle on disk is incomplete, altered or not servable
    ├── SigningKeyError         a key that signs bundles, or checks signatures, cannot be used
    ├── NotExplainableError     a bundle serves, but lacks what explanations of its scores need
    └── AliasesError            which versions of a model serve cannot be read, or contradicts itself
        └── StaleAliasesError   it was changed since it was read

All of them are expected errors: their messages say what was found and what to do.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = [
    "AliasesError",
    "BundleError",
    "ExportError",
    "NotExplainableError",
    "OnnxModelError",
    "ParityError",
    "SigningKeyError",
    "StaleAliasesError",
    "UnsupportedModelError",
]

_MAX_REASON = 1_000


class ExportError(Exception):
    """Base of all expected errors of this package."""


class UnsupportedModelError(ExportError):
    """The model cannot be exported faithfully. Train it without the named parameter."""

    def __init__(self, parameter: str, value: object, *, why: str, instead: str) -> None:
        super().__init__(f"{parameter}={value!r} cannot be exported: {why}. {instead}.")
        self.parameter = parameter
        """The training parameter that prevents the export."""


class ParityError(ExportError):
    """ONNX Runtime and the source model disagree. The export must not be used."""

    def __init__(
        self, reason: str, *, row_index: int, row: NDArray[np.float32], expected_margin: float, actual_margin: float
    ) -> None:
        super().__init__(
            f"{reason}; worst is row {row_index}: expected margin {expected_margin!r}, actual {actual_margin!r}, "
            f"features {row.tolist()}. Do not use this export; report the model that caused it."
        )
        self.row_index = row_index
        """Index of the worst row among the checked rows."""
        self.row = row
        """The worst row, float32 ``[F]``."""
        self.expected_margin = expected_margin
        """The source model's margin."""
        self.actual_margin = actual_margin
        """ONNX Runtime's margin."""


class OnnxModelError(ExportError):
    """The ONNX graph does not load, or is not ``float32 [N, F] -> float32 [N, 1]``. Export the model again."""


class BundleError(ExportError):
    """A bundle is incomplete, altered or not servable here. Restore the named file or export the model again."""

    def __init__(self, path: Path, reason: str) -> None:
        # Parts of a reason come from the bundle: one line of printable text, whatever they are.
        reason = "".join(sign if sign.isprintable() else " " for sign in reason)
        if len(reason) > _MAX_REASON:
            reason = f"{reason[:_MAX_REASON]}..."
        super().__init__(f"{path}: {reason}")
        self.path = path
        """The faulty file, or the bundle's directory."""
        self.reason = reason
        """What is wrong."""


class SigningKeyError(ExportError):
    """Expected: a key cannot be read, or the library that uses it is missing."""


class NotExplainableError(ExportError):
    """A model serves, but its scores cannot be explained. Train or export it again, as the message says."""


class AliasesError(ExportError):
    """The aliases of a model cannot be read, or contradict each other; the message names the file and the field."""


class StaleAliasesError(AliasesError):
    """The aliases were changed since they were read."""
