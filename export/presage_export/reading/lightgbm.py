"""Read LightGBM's trees, or reject models that ONNX would evaluate differently.

LightGBM compares in double precision and has settings that ONNX's tree operator cannot express. The trees returned here compare
in float32, ``value <= threshold`` and one bit for NaN, and send every row to the leaf that LightGBM sends it to. The rules are
those of ``Tree::NumericalDecision`` and the dense row reader in LightGBM's sources.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, Final

import lightgbm
import numpy as np

from presage_export.additive import AdditiveModel, Leaf, Split, Tree, floor_to_float32
from presage_export.bundle.link import Link
from presage_export.errors import UnsupportedModelError

__all__ = ["float32_threshold", "read_lightgbm"]

# A Python float, because NumPy compares a float32 with a Python float in float32.
_ZERO = float(np.float32(1e-35))
_INFINITY = np.float32(np.inf)
_MAX_FLOAT32 = float(np.finfo(np.float32).max)

# Complete objectives as in the model file: any other option changes the prediction.
_LINKS: Final[dict[str, Link]] = {
    "binary sigmoid:1": "logit",
    "regression": "identity",
    "regression_l1": "identity",
    "huber": "identity",
    "fair": "identity",
    "quantile": "identity",
    "mape": "identity",
    "lambdarank": "identity",
    "rank_xendcg": "identity",
}


def read_lightgbm(booster: lightgbm.Booster) -> AdditiveModel:
    """Read the trees that ``booster.predict`` uses: those up to the best iteration, if training stopped early.

    Raises:
        UnsupportedModelError: The model has a property that ONNX would get wrong; the error names the parameter.
    """
    dump = booster.dump_model()
    link = _link(dump.get("objective"))
    if dump["average_output"]:
        raise UnsupportedModelError(
            "boosting",
            "rf",
            why="a random forest averages its trees, and the exported graph would sum them",
            instead="Train with boosting='gbdt'",
        )
    if not dump["tree_info"]:
        raise UnsupportedModelError(
            "num_iterations", 0, why="the model has no tree", instead="Train for at least one iteration"
        )
    return AdditiveModel(
        feature_count=dump["max_feature_idx"] + 1,
        link=link,
        trees=tuple(_read_tree(info["tree_structure"]) for info in dump["tree_info"]),
        cover_weighting="rows",
    )


def float32_threshold(threshold: float) -> np.float32:
    """Return the float32 threshold that splits float32 values as LightGBM's double threshold does.

    That is the largest float32 that is not above it, with one exception: LightGBM reads values of magnitude up to 1e-35 as 0, so
    thresholds within that range cannot separate them.
    """
    if 0.0 <= threshold < _ZERO:
        return np.float32(_ZERO)
    if -_ZERO <= threshold < 0.0:
        return np.float32(np.nextafter(np.float32(-_ZERO), -_INFINITY))
    return floor_to_float32(threshold)


def _link(objective: str | None) -> Link:
    link = _LINKS.get(objective or "")
    if link is not None:
        return link
    if objective is None:
        raise UnsupportedModelError(
            "objective",
            "custom",
            why="the model file does not say what the margin of a custom objective means",
            instead=f"Train with one of {_objective_names()}",
        )
    name, *options = objective.split()
    if name == "binary":
        raise UnsupportedModelError(
            "sigmoid",
            " ".join(options).removeprefix("sigmoid:"),
            why="the margin would have to be scaled before it is a log-odds",
            instead="Train with sigmoid=1",
        )
    if "sqrt" in options:
        raise UnsupportedModelError(
            "reg_sqrt",
            value=True,
            why="the margin is the square root of the prediction, and no link squares it",
            instead="Train without reg_sqrt, or on transformed labels",
        )
    raise UnsupportedModelError(
        "objective",
        objective,
        why="its prediction is not a single margin under the logit or the identity link",
        instead=f"Train with one of {_objective_names()}",
    )


def _objective_names() -> str:
    return ", ".join(objective.split()[0] for objective in _LINKS)


def _read_tree(structure: Mapping[str, Any]) -> Tree:
    nodes: dict[int, Split | Leaf] = {}
    node_count = 1
    pending = [(0, structure)]
    while pending:
        position, node = pending.pop()
        if "split_feature" in node:
            left, right = node_count, node_count + 1
            node_count += 2
            nodes[position] = _read_split(node, left, right)
            pending += [(right, node["right_child"]), (left, node["left_child"])]
        else:
            nodes[position] = _read_leaf(node)
    return tuple(nodes[position] for position in range(node_count))


def _read_split(node: Mapping[str, Any], left: int, right: int) -> Split:
    if node["decision_type"] != "<=":
        raise UnsupportedModelError(
            "categorical_feature",
            node["split_feature"],
            why="LightGBM truncates a category to an integer, and ONNX compares it as it is",
            instead="Encode categories as ordered numbers before the model and train on numeric features only",
        )
    threshold = float(node["threshold"])
    match node["missing_type"]:
        case "NaN":
            nan_goes_left = bool(node["default_left"])
        case "None":
            # LightGBM then reads NaN as 0.
            nan_goes_left = threshold >= 0.0
        case missing_type:
            raise UnsupportedModelError(
                "zero_as_missing",
                value=True,
                why=f"missing values of type {missing_type!r} follow the default branch, and ONNX would compare them",
                instead="Train with zero_as_missing=False",
            )
    cover = float(node["internal_count"])
    return Split(int(node["split_feature"]), float32_threshold(threshold), nan_goes_left, left, right, cover)


def _read_leaf(node: Mapping[str, Any]) -> Leaf:
    if "leaf_const" in node:
        raise UnsupportedModelError(
            "linear_tree",
            value=True,
            why="its leaves are linear functions, and ONNX's are constants",
            instead="Train with linear_tree=False",
        )
    value = float(node["leaf_value"])
    if not (math.isfinite(value) and abs(value) <= _MAX_FLOAT32):
        raise UnsupportedModelError(
            "leaf_value",
            value,
            why="ONNX keeps leaves as float32",
            instead="Scale the labels down, or regularise the leaves with lambda_l2",
        )
    # The leaf of a tree without splits has no index, and perhaps no count; it has all rows, however many those are.
    return Leaf(value, int(node.get("leaf_index", 0)), float(node.get("leaf_count", 1)))
