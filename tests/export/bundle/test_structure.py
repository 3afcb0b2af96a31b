"""Which graphs may reach ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from onnx import helper, numpy_helper

from presage_export.additive import AdditiveModel
from presage_export.bundle.structure import check_structure
from presage_export.graph import build_graph
from support.export_models import binary_model, graph_of

FEATURES = 5


def check(model):
    return check_structure(model.SerializeToString(), feature_count=FEATURES)


def trees():
    return onnx.load_from_string(graph_of(binary_model(rounds=3, num_leaves=4)))


def linear():
    additive = AdditiveModel(feature_count=FEATURES, link="identity", coefficients=(1.0,) * FEATURES, intercept=0.5)
    return onnx.load_from_string(build_graph(additive))


def test_the_trees_of_a_graph_are_returned():
    assert len(check(trees()).roots) == 3
    assert check(linear()) is None


def _coefficients(numbers):
    def edit(model):
        model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.array(numbers), "coefficients"))

    return edit


def _attribute(place, **values):
    def edit(model):
        node = model.graph.node[place]
        for name, value in values.items():
            kept = [attribute for attribute in node.attribute if attribute.name != name]
            del node.attribute[:]
            node.attribute.extend([*kept, helper.make_attribute(name, value)])

    return edit


def _twice(model):
    node = model.graph.node[1]
    node.attribute.append(node.attribute[0])


def _long(model):
    model.graph.node.extend([helper.make_node("Add", ["margin", "margin"], [f"v{place}"]) for place in range(70)])


def _second(model):
    second = onnx.NodeProto()
    second.CopyFrom(model.graph.node[1])
    model.graph.node.append(second)


def _typeless(model):
    model.graph.node[1].attribute[0].ClearField("type")


def _mistyped(model):
    attribute = next(attribute for attribute in model.graph.node[1].attribute if attribute.ints)
    attribute.type = onnx.AttributeProto.FLOATS


def _short(model):
    model.graph.initializer[0].dims[0] = 4


def _integers(model):
    model.graph.initializer[0].CopyFrom(numpy_helper.from_array(np.arange(5), "coefficients"))


def _function(model):
    model.functions.add(name="f", domain="local")


def _sparse(model):
    model.graph.sparse_initializer.add()


def _subgraph(model):
    model.graph.node[0].attribute.append(helper.make_attribute("body", helper.make_graph([], "body", [], [])))


@pytest.mark.parametrize(
    ("make", "edit", "reason"),
    [
        (linear, _coefficients([[np.nan]] * 5), r"shape \[5, 1\]: expected at most 5 finite numbers"),
        (linear, _coefficients([[1.0] * 100_000] * 5), "expected at most 5 finite numbers"),
        (linear, _short, "5 numbers do not have the shape"),
        (linear, _integers, "data type 7 is not allowed"),
        (linear, _attribute(1, alpha=float("inf")), "Gemm.alpha: expected at most 5 finite"),
        (linear, _attribute(1, gamma=1.0), "Gemm: attribute 'gamma' is not allowed"),
        (linear, _attribute(0, to=onnx.TensorProto.INT64), "Cast: expected to float or double"),
        (trees, _attribute(1, n_targets=2), "n_targets: expected 1"),
        (trees, _twice, "occurs twice"),
        (trees, _second, "expected at most one TreeEnsembleRegressor, got 2"),
        (trees, _typeless, "type: expected one integer"),
        (trees, _mistyped, "its value is not of its type"),
        (trees, _long, "expected 1 to 64 operations, got 72"),
        (trees, lambda model: model.graph.ClearField("node"), "expected 1 to 64 operations, got 0"),
        (trees, _function, "Model: field 25 is not allowed"),
        (trees, _sparse, "Graph: field 15 is not allowed"),
        (trees, _subgraph, "Attribute: field 6 is not allowed"),
    ],
)
def test_a_graph_that_could_do_something_else_is_refused(make, edit, reason):
    model = make()
    edit(model)

    with pytest.raises(ValueError, match=reason):
        check(model)


def test_a_graph_given_twice_is_refused():
    """A parser would merge the two."""
    data = trees().SerializeToString()

    with pytest.raises(ValueError, match="graph: expected once, got 2 times"):
        check_structure(
            data + onnx.ModelProto(graph=onnx.GraphProto(name="again")).SerializeToString(), feature_count=5
        )


@pytest.mark.parametrize(
    ("value", "reason"),
    [(b"\x40\x01" * 200_000, "more than .* values in one message"), (None, "more than .* integers in one list")],
    ids=["one by one", "packed"],
)
def test_a_file_of_tiny_values_is_refused_before_all_are_read(value, reason):
    packed = b"\x42" + _VarintBytes(400_000) + b"\1" * 400_000
    attribute = b"\x0a\x01n\xa0\x01\x07" + (packed if value is None else value)
    node = b"\x22\x03Add" + b"\x2a" + _VarintBytes(len(attribute)) + attribute
    graph = b"\x0a" + _VarintBytes(len(node)) + node

    with pytest.raises(ValueError, match=reason):
        check_structure(b"\x3a" + _VarintBytes(len(graph)) + graph, feature_count=5)
