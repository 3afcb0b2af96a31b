"""What a serving graph may be: the operators, and for each its parameters and sizes.

Checked before ONNX Runtime sees the graph, so that nothing in it can run long, grow large, or compute what is not a number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import numpy as np

from presage_export.bundle.ensemble import Ensemble, read_ensemble
from presage_export.bundle.onnx_graph import Graph, Node, read_graph
from presage_export.bundle.onnx_wire import read_graph_contents

__all__ = ["ALLOWED_OPERATORS", "check_graph", "check_structure"]

_MAX_NODES = 64
_FLOAT, _DOUBLE = 1, 11

# Arithmetic on one tensor of features; nothing that loops, branches, reads files or allocates by parameter.
_PARAMETERS: Final[dict[tuple[str, str], frozenset[str] | None]] = {
    ("ai.onnx.ml", "TreeEnsembleRegressor"): None,  # gradient boosting and forests; checked by read_ensemble
    ("", "Gemm"): frozenset({"alpha", "beta", "transA", "transB"}),  # linear models, with their scaling folded in
    ("", "Cast"): frozenset({"to"}),  # float32 to double and back, to avoid accumulated rounding error
    ("", "Add"): frozenset(),  # trees plus a linear part, in stacks and blends
    # Linear models written by other converters, and their scaling.
    ("ai.onnx.ml", "LinearRegressor"): frozenset({"coefficients", "intercepts", "post_transform", "targets"}),
    ("ai.onnx.ml", "Scaler"): frozenset({"offset", "scale"}),
}

ALLOWED_OPERATORS: Final = frozenset(_PARAMETERS)
"""``(domain, op_type)`` of every operator that a graph may have."""


def check_structure(model_bytes: bytes, *, feature_count: int) -> Ensemble | None:
    """Check a serialized ONNX model, and return its trees; None if it has none.

    Raises:
        ValueError: The graph is not one that can be served; the message says why.
    """
    return check_graph(model_bytes, feature_count=feature_count)[1]


def check_graph(model_bytes: bytes, *, feature_count: int) -> tuple[Graph, Ensemble | None]:
    """Check a serialized ONNX model as ``check_structure`` does, and return its graph, too."""
    try:
        contents = read_graph_contents(model_bytes)
    except ValueError as error:
        raise ValueError(f"is no ONNX model: {error}") from error
    if contents.external_data:
        raise ValueError("refers to data in another file; a bundle's model has to be whole")
    if rejected := set(contents.operators) - ALLOWED_OPERATORS:
        named = ", ".join(f"{domain or 'ai.onnx'}.{op_type}" for domain, op_type in sorted(rejected))
        raise ValueError(f"uses operators that are not allowed: {named}")
    if not 1 <= len(contents.operators) <= _MAX_NODES:
        raise ValueError(f"expected 1 to {_MAX_NODES} operations, got {len(contents.operators)}")
    try:
        graph = read_graph(model_bytes)
        return graph, _check_graph(graph, feature_count)
    except ValueError as error:
        raise ValueError(f"cannot be served: {error}") from error


def _check_graph(graph: Graph, feature_count: int) -> Ensemble | None:
    for tensor in graph.initializers:
        if tensor.size > feature_count or not np.isfinite(tensor).all():
            raise ValueError(
                f"a constant of shape {list(tensor.shape)[:8]}: expected at most {feature_count} finite numbers"
            )
    ensembles = []
    for node in graph.nodes:
        if node.op_type == "TreeEnsembleRegressor":
            ensembles.append(
                read_ensemble(node.attributes, feature_count=feature_count, is_all=_is_only_trees(graph.nodes))
            )
        else:
            _check_parameters(node, feature_count)
    if len(ensembles) > 1:
        raise ValueError(f"expected at most one TreeEnsembleRegressor, got {len(ensembles)}")
    return ensembles[0] if ensembles else None


def _is_only_trees(nodes: Sequence[Node]) -> bool:
    """Return whether a graph is what ``build_graph`` makes of trees alone."""
    if [node.op_type for node in nodes] != ["Cast", "TreeEnsembleRegressor"]:
        return False
    cast, trees = nodes
    return cast.attributes.get("to") == _DOUBLE and trees.inputs == cast.outputs


def _check_parameters(node: Node, feature_count: int) -> None:
    known = _PARAMETERS[node.domain, node.op_type]
    if unknown := node.attributes.keys() - (known or ()):
        raise ValueError(f"{node.op_type}: attribute {min(unknown)[:64]!r} is not allowed")
    for name, value in node.attributes.items():
        if isinstance(value, (float, np.ndarray)):
            numbers = np.atleast_1d(value)
            if numbers.size > feature_count or not np.isfinite(numbers).all():
                raise ValueError(f"{node.op_type}.{name}: expected at most {feature_count} finite numbers")
    if node.op_type == "Cast" and node.attributes.get("to") not in {_FLOAT, _DOUBLE}:
        raise ValueError("Cast: expected to float or double")
    if node.op_type == "LinearRegressor" and node.attributes.get("targets", 1) != 1:
        raise ValueError("LinearRegressor.targets: expected 1")
