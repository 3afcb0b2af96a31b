from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from presage_export.bundle.session import OnnxModel
from presage_export.errors import OnnxModelError
from support.export_models import FEATURE_COUNT, binary_model, graph_of, margins_of, rows_of


@pytest.fixture(scope="module")
def booster():
    return binary_model()


@pytest.fixture(scope="module")
def model(booster):
    return OnnxModel(graph_of(booster))


def test_margins_are_float32_one_per_row(booster, model):
    rows = rows_of(7)

    margins = model.margins(rows)

    assert model.feature_count == FEATURE_COUNT
    assert (np.float32, (7,)) == (margins.dtype, margins.shape)
    np.testing.assert_allclose(margins, margins_of(booster, rows), rtol=0, atol=1e-5)


def test_no_rows_have_no_margins(model):
    assert model.margins(rows_of(0)).shape == (0,)


def test_rows_need_not_be_contiguous(model):
    rows = rows_of(20)

    assert model.margins(rows)[::2].tobytes() == model.margins(rows[::2]).tobytes()
    assert model.margins(rows).tobytes() == model.margins(np.asfortranarray(rows)).tobytes()


@pytest.mark.parametrize(
    "rows",
    [rows_of(2)[:, 1:], np.zeros((1, FEATURE_COUNT + 1), np.float32), rows_of(2).astype(np.float64), rows_of(2)[0]],
    ids=["narrow", "wide", "double", "flat"],
)
def test_other_rows_are_refused_with_both_shapes(model, rows):
    with pytest.raises(
        ValueError, match=rf"expected float32 of shape \[N, 5\], got {rows.dtype} of shape \({len(rows)}"
    ):
        model.margins(rows)


@pytest.mark.parametrize("data", [b"", b"no model at all", b"\x00" * 64])
def test_other_bytes_are_refused(data):
    with pytest.raises(OnnxModelError, match="refuses"):
        OnnxModel(data)


def _linear(*, width=2, targets=1, extra_input=False):
    """A LinearRegressor, as odd as asked for."""
    inputs = [helper.make_tensor_value_info("features", TensorProto.FLOAT, ["rows", width])]
    if extra_input:
        inputs.append(helper.make_tensor_value_info("unused", TensorProto.FLOAT, ["rows", 1]))
    node = helper.make_node(
        "LinearRegressor",
        ["features"],
        ["margin"],
        domain="ai.onnx.ml",
        coefficients=[1.0] * 2 * targets,
        targets=targets,
    )
    outputs = [helper.make_tensor_value_info("margin", TensorProto.FLOAT, ["rows", targets])]
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    return helper.make_model(
        helper.make_graph([node], "g", inputs, outputs), opset_imports=opsets, ir_version=8
    ).SerializeToString()


def test_a_linear_model_is_served_too():
    assert OnnxModel(_linear()).margins(np.array([[1, 2]], dtype=np.float32)).tolist() == [3.0]


@pytest.mark.parametrize(
    ("oddity", "reason"),
    [
        ({"extra_input": True}, "expected 1 input and 1 output, got 2 and 1"),
        ({"targets": 2}, "expected 1 margin per row, got 2"),
        ({"width": "any"}, "input: expected"),
    ],
)
def test_a_graph_of_another_shape_is_refused(oddity, reason):
    with pytest.raises(OnnxModelError, match=reason):
        OnnxModel(_linear(**oddity))


def test_a_graph_that_takes_doubles_is_refused(booster):
    graph = onnx.load_from_string(graph_of(booster))
    graph.graph.input[0].type.tensor_type.elem_type = TensorProto.DOUBLE

    with pytest.raises(OnnxModelError, match=r"input: expected tensor\(float\) .* got tensor\(double\)"):
        OnnxModel(graph.SerializeToString())


@pytest.mark.parametrize("part", ["input", "output"])
def test_a_name_that_is_no_text_is_refused(booster, part, capfd):
    """ONNX Runtime takes it; asking for it raises. Standard output is the server's own, whatever is wrong with a bundle."""
    model = onnx.load_from_string(graph_of(booster))
    getattr(model.graph, part)[0].type.tensor_type.shape.dim[0].dim_param = "rows of it"
    data = model.SerializeToString().replace(b"rows of it", b"\xf2ows of it")
    with pytest.raises(OnnxModelError, match="no text"):
        OnnxModel(data)
    assert capfd.readouterr() == ("", "")


def test_what_the_library_cannot_say_is_refused_without_a_word_on_standard_output(booster, capfd):
    """Its message would have the name. It would try again with the same provider, and print that."""
    model = onnx.load_from_string(graph_of(booster))
    model.graph.node[1].input[0] = "nowhere"
    with pytest.raises(OnnxModelError, match="refuses"):
        OnnxModel(model.SerializeToString().replace(b"nowhere", b"\xffowhere"))
    assert capfd.readouterr() == ("", "")
