"""Read XGBoost's trees, or reject models that ONNX would evaluate differently.

XGBoost compares ``value < threshold`` in float32. For float32 values that equals ``value <= the float32 before the threshold``. The
trees are read from the model's own JSON format, whose numbers are exact.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any, Final

import numpy as np
import xgboost

from presage_export.additive import AdditiveModel, Leaf, Split, Tree
from presage_export.bundle.link import Link
from presage_export.errors import UnsupportedModelError

__all__ = ["read_xgboost"]

_INFINITY = np.float32(np.inf)

_LINKS: Final[dict[str, Link]] = {
    "binary:logistic": "logit",
    "reg:squarederror": "identity",
    "reg:absoluteerror": "identity",
    "reg:pseudohubererror": "identity",
    "reg:quantileerror": "identity",
    "rank:ndcg": "identity",
    "rank:pairwise": "identity",
}


def read_xgboost(model: xgboost.XGBModel) -> AdditiveModel:
    """Read the trees that ``model.predict`` uses: those up to the best iteration, if training stopped early.

    Args:
        model: A fitted estimator of XGBoost's scikit-learn interface; a bare Booster does not know which value means missing.

    Raises:
        UnsupportedModelError: The model has a property that ONNX would get wrong; the error names the parameter.
    """
    if not math.isnan(model.missing):
        raise UnsupportedModelError(
            "missing", model.missing, why="only NaN is missing in ONNX", instead="Train with missing=nan"
        )
    booster = model.get_booster()
    if model.get_params().get("early_stopping_rounds") is not None:
        booster = booster[: model.best_iteration + 1]
    learner = json.loads(bytes(booster.save_raw("json")))["learner"]
    parameters, boosted = learner["learner_model_param"], learner["gradient_booster"]
    objective = learner["objective"]["name"]
    link = _LINKS.get(objective)
    if link is None or int(parameters["num_class"]) > 1 or int(parameters["num_target"]) > 1:
        raise UnsupportedModelError(
            "objective",
            objective,
            why="its prediction is not a single margin under the logit or the identity link",
            instead=f"Train with one of {', '.join(_LINKS)}, on one target",
        )
    if boosted["name"] != "gbtree":
        raise UnsupportedModelError(
            "booster", boosted["name"], why="only plain sums of trees are read", instead="Train with booster='gbtree'"
        )
    return AdditiveModel(
        feature_count=int(parameters["num_feature"]),
        link=link,
        trees=tuple(_read_tree(tree) for tree in boosted["model"]["trees"]),
        intercept=_base_margin(parameters["base_score"], link),
        cover_weighting="hessians",
    )


def _base_margin(text: str, link: Link) -> float:
    # A number up to XGBoost 2, a list of one number since XGBoost 3.
    parsed = json.loads(text)
    base = float(parsed[0] if isinstance(parsed, list) else parsed)
    if link != "logit":
        return base
    if not 0.0 < base < 1.0:
        raise UnsupportedModelError(
            "base_score", base, why="it has no finite log-odds", instead="Train on labels of both classes"
        )
    return math.log(base / (1.0 - base))


def _read_tree(tree: Mapping[str, Any]) -> Tree:
    if any(tree["split_type"]):
        raise UnsupportedModelError(
            "enable_categorical",
            value=True,
            why="XGBoost truncates a category to an integer, and ONNX compares it as it is",
            instead="Encode categories as ordered numbers before the model and train on numeric features only",
        )
    if int(tree["tree_param"]["size_leaf_vector"]) > 1:
        raise UnsupportedModelError(
            "multi_strategy", "multi_output_tree", why="a margin is one number", instead="Train on one target"
        )
    return tuple(_read_node(tree, node_id) for node_id in range(len(tree["left_children"])))


def _read_node(tree: Mapping[str, Any], node_id: int) -> Split | Leaf:
    left, right = tree["left_children"][node_id], tree["right_children"][node_id]
    number = np.float32(tree["split_conditions"][node_id])
    cover = float(np.float32(tree["sum_hessian"][node_id]))
    if left == -1:
        return Leaf(float(number), node_id, cover)
    return Split(
        feature=tree["split_indices"][node_id],
        threshold=np.float32(np.nextafter(number, -_INFINITY)),
        nan_goes_left=bool(tree["default_left"][node_id]),
        left=left,
        right=right,
        cover=cover,
    )
