"""A LightGBM model to ONNX: one tree operator that gives the raw margin."""

from __future__ import annotations

import lightgbm
import numpy as np
import onnx
from onnx import TensorProto, helper

from presage_export.forest import Forest, Split, read_forest
from presage_export.link import Link

__all__ = ["INPUT_NAME", "OUTPUT_NAME", "convert_lightgbm", "link_of", "tree_count"]

INPUT_NAME = "features"
OUTPUT_NAME = "margin"

# The newest pair that every supported ONNX Runtime takes and whose tree operator keeps float32 attributes.
_OPSETS = {"": 17, "ai.onnx.ml": 3}
_IR_VERSION = 8

# What a leaf puts into the columns of splits; the operator does not read it.
_NO_SPLIT = Split(0, np.float32(0), nan_goes_left=False, left=0, right=0)


def convert_lightgbm(booster: lightgbm.Booster) -> bytes:
    """Convert a booster to a serialized ONNX model.

    The graph is one ``TreeEnsembleRegressor`` from ``features``, float32 ``[N, F]``, to ``margin``, float32 ``[N, 1]``:
    what ``booster.predict(raw_score=True)`` gives, with the same trees when training stopped early. The link is not in the
    graph (see ``link_of``): a sigmoid in double precision is exacter. The same booster gives the same bytes.

    Raises:
        UnsupportedModelError: ONNX would get the model wrong; the error names the parameter.
    """
    forest = read_forest(booster)
    graph = helper.make_graph(
        [_tree_ensemble(forest)],
        "model",
        [helper.make_tensor_value_info(INPUT_NAME, TensorProto.FLOAT, ["rows", forest.feature_count])],
        [helper.make_tensor_value_info(OUTPUT_NAME, TensorProto.FLOAT, ["rows", 1])],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid(domain, version) for domain, version in _OPSETS.items()],
        ir_version=_IR_VERSION,
        producer_name="presage_export",
    )
    onnx.checker.check_model(model)
    return model.SerializeToString(deterministic=True)


def link_of(booster: lightgbm.Booster) -> Link:
    """Return how the booster's margin becomes its prediction.

    Raises:
        UnsupportedModelError: As for ``convert_lightgbm``.
    """
    return read_forest(booster).link


def tree_count(booster: lightgbm.Booster) -> int:
    """Return how many trees the booster predicts with, which is what ``convert_lightgbm`` exports.

    Raises:
        UnsupportedModelError: As for ``convert_lightgbm``.
    """
    return len(read_forest(booster).trees)


def _tree_ensemble(forest: Forest) -> onnx.NodeProto:
    nodes = [(tree_id, node_id, node) for tree_id, tree in enumerate(forest.trees) for node_id, node in enumerate(tree)]
    leaves = [(tree_id, node_id, node) for tree_id, node_id, node in nodes if not isinstance(node, Split)]
    splits = [node if isinstance(node, Split) else _NO_SPLIT for _, _, node in nodes]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT_NAME],
        [OUTPUT_NAME],
        domain="ai.onnx.ml",
        n_targets=1,
        aggregate_function="SUM",
        post_transform="NONE",
        nodes_treeids=[tree_id for tree_id, _, _ in nodes],
        nodes_nodeids=[node_id for _, node_id, _ in nodes],
        nodes_modes=["BRANCH_LEQ" if isinstance(node, Split) else "LEAF" for _, _, node in nodes],
        nodes_featureids=[split.feature for split in splits],
        nodes_values=[float(split.threshold) for split in splits],
        nodes_missing_value_tracks_true=[int(split.nan_goes_left) for split in splits],
        nodes_truenodeids=[split.left for split in splits],
        nodes_falsenodeids=[split.right for split in splits],
        target_treeids=[tree_id for tree_id, _, _ in leaves],
        target_nodeids=[node_id for _, node_id, _ in leaves],
        target_ids=[0 for _ in leaves],
        target_weights=[leaf.value for _, _, leaf in leaves],
    )
