"""The linear part of a graph."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.onnx_graph import Graph

__all__ = ["LinearPart", "read_linear_part"]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class LinearPart:
    """``intercept + coefficients · features``."""

    coefficients: NDArray[np.float64]
    """One for each feature, ``[F]``."""
    intercept: float


def read_linear_part(graph: Graph, *, feature_count: int) -> LinearPart | None:
    """Read the linear part of a checked graph; None if it has none.

    Raises:
        ValueError: It is not in the form that ``build_graph`` writes: one Gemm without parameters.
    """
    others = {node.op_type for node in graph.nodes} - {"Cast", "Add", "TreeEnsembleRegressor"}
    if not others:
        return None
    gemms = [node for node in graph.nodes if node.op_type == "Gemm"]
    shapes = [tensor.shape for tensor in graph.initializers]
    if others != {"Gemm"} or len(gemms) != 1 or gemms[0].attributes or shapes != [(feature_count, 1), (1,)]:
        raise ValueError(
            "its linear part is not in the form that Presage writes; export the model with this release of Presage"
        )
    coefficients, intercept = graph.initializers
    return LinearPart(coefficients=coefficients[:, 0], intercept=float(intercept[0]))
