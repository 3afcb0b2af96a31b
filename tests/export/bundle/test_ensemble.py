"""Only trees are taken for trees."""

from __future__ import annotations

import numpy as np
import pytest

from presage_export.bundle import ensemble as ensemble_module
from presage_export.bundle.ensemble import read_ensemble
from presage_export.bundle.onnx_graph import read_graph
from support.export_models import binary_model, graph_of

# Two trees: a root with a leaf and a split of two leaves; and a root with two leaves.
TREES = {
    "nodes_treeids": [0, 0, 0, 0, 0, 1, 1, 1],
    "nodes_nodeids": [0, 1, 2, 3, 4, 0, 1, 2],
    "nodes_featureids": [0, 0, 1, 0, 0, 2, 0, 0],
    "nodes_truenodeids": [1, 0, 3, 0, 0, 1, 0, 0],
    "nodes_falsenodeids": [2, 0, 4, 0, 0, 2, 0, 0],
    "nodes_missing_value_tracks_true": [0, 0, 1, 0, 0, 0, 0, 0],
    "target_treeids": [0, 0, 0, 1, 1],
    "target_nodeids": [1, 3, 4, 1, 2],
    "target_ids": [0, 0, 0, 0, 0],
}
FLOATS = {
    "nodes_values": [0.5, 0.0, -1.5, 0.0, 0.0, 0.1, 0.0, 0.0],
    "target_weights": [0.1, 0.2, 0.3, 0.4, 0.5],
    "base_values": [0.25],
}
MODES = [b"BRANCH_LEQ", b"LEAF", b"BRANCH_LEQ", b"LEAF", b"LEAF", b"BRANCH_LEQ", b"LEAF", b"LEAF"]


def attributes(**changes):
    values = {
        **{name: np.array(numbers, dtype=np.int64) for name, numbers in TREES.items()},
        **{name: np.array(numbers) for name, numbers in FLOATS.items()},
        "nodes_modes": MODES,
        "n_targets": 1,
        "aggregate_function": b"SUM",
        "post_transform": b"NONE",
    }
    return {name: value for name, value in (values | changes).items() if value is not None}


def changed(name, place, value):
    values = attributes()[name].copy()
    values[place] = value
    return {name: values}


def test_trees_are_read():
    ensemble = read_ensemble(attributes(), feature_count=3)

    assert ensemble.roots.tolist() == [0, 5]
    assert ensemble.left.tolist() == [1, 1, 3, 3, 4, 6, 6, 7]
    assert ensemble.right.tolist() == [2, 1, 4, 3, 4, 7, 6, 7]
    assert ensemble.is_leaf.tolist() == [False, True, False, True, True, False, True, True]
    assert ensemble.nan_goes_left.tolist() == [False, False, True] + [False] * 5
    assert ensemble.depth == 2
    # The float32 nearest to 0.1 is above it.
    assert ensemble.thresholds[5] == np.nextafter(np.float32(0.1), np.float32(0))


def test_the_trees_of_a_trained_model_are_read():
    booster = binary_model(rounds=7, num_leaves=9)
    graph = read_graph(graph_of(booster))

    ensemble = read_ensemble(graph.nodes[1].attributes, feature_count=5)

    assert len(ensemble.roots) == 7
    assert np.count_nonzero(ensemble.is_leaf) == sum(tree["num_leaves"] for tree in booster.dump_model()["tree_info"])


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        (changed("nodes_falsenodeids", 2, 2), "node 2 has 2 parents, expected 1"),
        (changed("nodes_falsenodeids", 0, 0), "nodes_falsenodeids: node 0 has child 0, expected 1 to 4"),
        (changed("nodes_falsenodeids", 0, 1), "node 1 has 2 parents"),
        (changed("nodes_truenodeids", 5, 3), "nodes_truenodeids: node 5 has child 3, expected 1 to 2"),
        (changed("nodes_truenodeids", 5, -1), "has child -1"),
        (changed("nodes_truenodeids", 5, 2**63 - 1), "has child 9223372036854775807"),
        (changed("nodes_featureids", 0, 3), r"nodes_featureids\[0\]: expected 0 to 2, got 3"),
        (changed("nodes_featureids", 1, -1), r"nodes_featureids\[1\]"),
        (changed("nodes_missing_value_tracks_true", 0, 2), "nodes_missing_value_tracks_true"),
        (changed("nodes_treeids", 5, 0), "nodes_treeids"),
        (changed("nodes_treeids", 7, 2), "nodes_treeids"),
        (changed("nodes_nodeids", 0, 1), "nodes_treeids"),
        (changed("nodes_nodeids", 3, 4), "nodes_nodeids"),
        (changed("nodes_values", 0, np.nan), "nodes_values: expected finite"),
        (changed("target_weights", 4, np.inf), "target_weights: expected finite"),
        (changed("target_weights", 4, 1e300), "target_weights: their sum could exceed float32"),
        (changed("base_values", 0, -np.inf), "base_values: expected finite"),
        (changed("target_nodeids", 0, 3), "every leaf once"),
        (changed("target_nodeids", 0, 0), "every leaf once"),
        (changed("target_nodeids", 4, 3), "nodes of their trees"),
        (changed("target_treeids", 4, 2), "target_treeids"),
        (changed("target_ids", 0, 1), "target_ids"),
        ({"base_values": np.zeros(2)}, "base_values: expected at most one"),
        ({"nodes_modes": [b"BRANCH_LT", *MODES[1:]]}, "expected BRANCH_LEQ or LEAF, got b'BRANCH_LT'"),
        ({"nodes_modes": [b"LEAF", *MODES[1:]]}, "has 0 parents"),
        ({"nodes_modes": MODES[1:]}, "nodes_modes: expected one for each of 8 nodes, got 7"),
        ({"nodes_modes": None}, "there are no nodes"),
        ({"nodes_values": np.zeros(3)}, "nodes_values: expected one for each of 8 nodes, got 3"),
        ({"nodes_values_as_tensor": np.zeros(8)}, "nodes_values: expected either"),
        ({"nodes_values": np.zeros((8, 1))}, "nodes_values: expected a list of floats"),
        ({"target_weights": np.zeros(4)}, "target_weights: expected as many"),
        ({"nodes_treeids": np.zeros(8)}, "nodes_treeids: expected integers"),
        ({"n_targets": 2}, "n_targets: expected 1"),
        ({"n_targets": np.array([1])}, "n_targets: expected 1"),
        ({"aggregate_function": b"AVERAGE"}, "aggregate_function: expected b'SUM'"),
        ({"post_transform": b"LOGISTIC"}, "post_transform"),
        ({"surprise": 1}, "'surprise' is not expected"),
    ],
)
def test_what_is_no_tree_is_refused(changes, reason):
    with pytest.raises(ValueError, match=reason):
        read_ensemble(attributes(**changes), feature_count=3)


def test_a_cycle_apart_from_the_root_is_refused():
    """Every node of it has one parent."""
    trees = {
        "nodes_treeids": np.zeros(5, dtype=np.int64),
        "nodes_nodeids": np.arange(5),
        "nodes_featureids": np.zeros(5, dtype=np.int64),
        "nodes_truenodeids": np.array([0, 2, 1, 0, 0]),
        "nodes_falsenodeids": np.array([0, 3, 4, 0, 0]),
        "nodes_missing_value_tracks_true": np.zeros(5, dtype=np.int64),
        "nodes_modes": [b"LEAF", b"BRANCH_LEQ", b"BRANCH_LEQ", b"LEAF", b"LEAF"],
        "nodes_values": np.zeros(5),
    }

    with pytest.raises(ValueError, match="4 of 5 nodes are not reached from a root: they are in a cycle"):
        read_ensemble(attributes(**trees), feature_count=3)


def test_a_tree_that_is_too_deep_is_refused(monkeypatch):
    monkeypatch.setattr(ensemble_module, "MAX_TREE_DEPTH", 1)

    with pytest.raises(ValueError, match="deeper than 1 splits"):
        read_ensemble(attributes(), feature_count=3)
