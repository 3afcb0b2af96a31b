"""What goes wrong between a trained model and a serving bundle.

    ExportError
    ├── UnsupportedModelError   the model has a property that ONNX would get wrong
    ├── ParityError             ONNX and the original model disagree on a row
    ├── OnnxModelError          ONNX Runtime refuses the graph, or its inputs and outputs are not ours
    └── BundleError             a bundle on disk is incomplete, altered or not servable

All of them are expected errors: their messages say what was found and what to do about it.
"""

from __future__ import annotations

from pathlib import Path

import numpy as np
from numpy.typing import NDArray

__all__ = ["BundleError", "ExportError", "OnnxModelError", "ParityError", "UnsupportedModelError"]


class ExportError(Exception):
    """Base of every error that this package raises on purpose."""


class UnsupportedModelError(ExportError):
    """The model cannot be exported faithfully. Train it without the named parameter."""

    def __init__(self, parameter: str, value: object, *, why: str, instead: str) -> None:
        super().__init__(f"{parameter}={value!r} cannot be exported: {why}. {instead}.")
        self.parameter = parameter
        """The training parameter that is responsible."""


class ParityError(ExportError):
    """ONNX Runtime and the original model disagree. The export must not be used."""

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
        """What the original model says."""
        self.actual_margin = actual_margin
        """What ONNX Runtime says."""


class OnnxModelError(ExportError):
    """The ONNX graph does not load, or is not ``float32 [N, F] -> float32 [N, 1]``. Export the model anew."""


class BundleError(ExportError):
    """A bundle is incomplete, altered or not servable here. Restore the named file or export the model anew."""

    def __init__(self, path: Path, reason: str) -> None:
        super().__init__(f"{path}: {reason}")
        self.path = path
        """The file (or the bundle's directory) that is at fault."""
        self.reason = reason
        """What is wrong with it."""
