"""Write an additive model as an ONNX graph from features to raw margin."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from presage_export.additive import AdditiveModel, Split

__all__ = ["INPUT_NAME", "OUTPUT_NAME", "build_graph"]

INPUT_NAME = "features"
OUTPUT_NAME = "margin"

# The newest pair that every supported ONNX Runtime accepts and whose tree operator has float32 and double attributes.
_OPSETS = {"": 17, "ai.onnx.ml": 3}
_IR_VERSION = 8

# Placeholder for leaves in the attributes of splits; the operator does not read it.
_NO_SPLIT = Split(0, np.float32(0), nan_goes_left=False, left=0, right=0)


def build_graph(model: AdditiveModel) -> bytes:
    """Build a graph that sums in double precision, to avoid accumulating rounding errors.

    From ``features``, float32 ``[N, F]``, to ``margin``, float32 ``[N, 1]``. The operators are Cast, TreeEnsembleRegressor for the
    trees, Gemm for a linear part, and Add for both. The link is not in the graph. The same model gives the same bytes.
    """
    wide = "features_wide"
    nodes = [helper.make_node("Cast", [INPUT_NAME], [wide], to=TensorProto.DOUBLE)]
    initializers = []
    linear = not model.has_only_trees
    if model.trees:
        leaves = "leaves" if linear else OUTPUT_NAME
        # The intercept goes into the linear part if there is one, which holds it exactly, in double precision.
        nodes.append(_tree_node(model, wide, leaves, intercept=0.0 if linear else model.intercept))
    if linear:
        plane = "plane" if model.trees else OUTPUT_NAME
        coefficients = np.array(model.coefficients or np.zeros(model.feature_count), dtype=np.float64)
        initializers = [
            numpy_helper.from_array(coefficients[:, None], "coefficients"),
            numpy_helper.from_array(np.array([model.intercept]), "intercept"),
        ]
        nodes.append(helper.make_node("Gemm", [wide, "coefficients", "intercept"], ["plane_wide"]))
        nodes.append(helper.make_node("Cast", ["plane_wide"], [plane], to=TensorProto.FLOAT))
    if model.trees and linear:
        nodes.append(helper.make_node("Add", ["leaves", "plane"], [OUTPUT_NAME]))
    return _serialize(nodes, initializers, model.feature_count)


def _serialize(nodes: list[onnx.NodeProto], initializers: list[onnx.TensorProto], feature_count: int) -> bytes:
    graph = helper.make_graph(
        nodes,
        "model",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["rows", feature_count])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["rows", 1])],
        initializer=initializers,
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()],
        ir_version=_IR_VERSION,
        producer_name="presage_export",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def _tree_node(model: AdditiveModel, input_name: str, output_name: str, *, intercept: float) -> onnx.NodeProto:
    nodes = [(tree_id, node_id, node) for tree_id, tree in enumerate(model.trees) for node_id, node in enumerate(tree)]
    leaves = [(tree_id, node_id, node) for tree_id, node_id, node in nodes if not isinstance(node, Split)]
    splits = [node if isinstance(node, Split) else _NO_SPLIT for _, _, node in nodes]
    numbers = {
        "nodes_values": [float(split.threshold) for split in splits],
        "target_weights": [leaf.value for _, _, leaf in leaves],
        **({"base_values": [intercept]} if intercept else {}),
    }
    return helper.make_node(
        "TreeEnsembleRegressor",
        [input_name],
        [output_name],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=[tree_id for tree_id, _, _ in nodes],
        nodes_nodeids=[node_id for _, node_id, _ in nodes],
        nodes_modes=["BRANCH_LEQ" if isinstance(node, Split) else "LEAF" for _, _, node in nodes],
        nodes_featureids=[split.feature for split in splits],
        nodes_missing_value_tracks_true=[int(split.nan_goes_left) for split in splits],
        nodes_truenodeids=[split.left for split in splits],
        nodes_falsenodeids=[split.right for split in splits],
        target_treeids=[tree_id for tree_id, _, _ in leaves],
        target_nodeids=[node_id for _, node_id, _ in leaves],
        target_ids=[0 for _ in leaves],
        **_as_tensors(numbers),
    )


def _as_tensors(numbers: dict[str, list[float]]) -> dict[str, Any]:
    names = ((f"{name}_as_tensor", values) for name, values in numbers.items())
    return {name: numpy_helper.from_array(np.array(values, dtype=np.float64), name) for name, values in names}
