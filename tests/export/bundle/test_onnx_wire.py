"""The wire walker against the onnx package, on honest, hidden and broken models."""

from __future__ import annotations

import onnx
import pytest
from google.protobuf.internal.encoder import _VarintBytes
from google.protobuf.message import DecodeError, Message
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto, helper

from presage_export.bundle.onnx_wire import GraphContents, read_graph_contents
from support.export_models import binary_model, graph_of


def _node(op_type, domain="", **attributes):
    return helper.make_node(op_type, ["x"], ["y"], domain=domain, **attributes)


def _tensor(*, external=False):
    tensor = helper.make_tensor("t", TensorProto.FLOAT, [1], [1.0])
    if external:
        tensor.ClearField("float_data")
        tensor.data_location = TensorProto.EXTERNAL
        tensor.external_data.add(key="location", value="elsewhere.bin")
    return tensor


def _graph(*nodes, initializers=()):
    return helper.make_graph(list(nodes), "g", [], [], initializer=list(initializers))


def _model(*nodes, initializers=()):
    return helper.make_model(_graph(*nodes, initializers=initializers))


def _nested():
    """Nodes and tensors in every place that onnx.proto3 has for them."""
    model = _model(
        _node("If", then_branch=_graph(_node("Then")), else_branch=_graph(_node("Else", "other.domain"))),
        _node("Many", graphs=[_graph(_node("First")), _graph(_node("Second"))], tensors=[_tensor(), _tensor()]),
        _node("Constant", value=_tensor()),
        initializers=[_tensor()],
    )
    function = model.functions.add(name="f", domain="local")
    function.node.append(_node("Inside"))
    function.attribute_proto.append(helper.make_attribute("default", _graph(_node("Default"))))
    training = model.training_info.add()
    training.initialization.CopyFrom(_graph(_node("Initialize")))
    training.algorithm.CopyFrom(_graph(_node("Train")))
    return model


def _messages(message: Message):
    """Every message within a message, found by reflection and not by knowing where to look."""
    yield message
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                yield from _messages(child)


def _oracle(model: onnx.ModelProto) -> GraphContents:
    messages = list(_messages(model))
    tensors = [message for message in messages if isinstance(message, onnx.TensorProto)]
    return GraphContents(
        operators=tuple(sorted((node.domain, node.op_type) for node in messages if isinstance(node, onnx.NodeProto))),
        external_data=any(
            tensor.data_location == TensorProto.EXTERNAL or len(tensor.external_data) for tensor in tensors
        ),
    )


EXTERNAL = {
    "initializer": lambda: _model(_node("A"), initializers=[_tensor(external=True)]),
    "attribute": lambda: _model(_node("A", value=_tensor(external=True))),
    "attribute list": lambda: _model(_node("A", values=[_tensor(), _tensor(external=True)])),
    "subgraph": lambda: _model(_node("A", body=_graph(_node("B"), initializers=[_tensor(external=True)]))),
    "sparse values": lambda: _with_sparse("values"),
    "sparse indices": lambda: _with_sparse("indices"),
}
MODELS = {
    "trees": lambda: onnx.load_from_string(graph_of(binary_model(rounds=2, num_leaves=4))),
    "nested": _nested,
    "empty": onnx.ModelProto,
    **EXTERNAL,
}


def _with_sparse(part):
    model = _model(_node("A"))
    sparse = model.graph.sparse_initializer.add()
    getattr(sparse, part).CopyFrom(_tensor(external=True))
    return model


@pytest.mark.parametrize("make", MODELS.values(), ids=MODELS.keys())
def test_it_finds_what_the_onnx_package_finds(make):
    model = make()

    assert _oracle(model) == read_graph_contents(model.SerializeToString())


@pytest.mark.parametrize("make", EXTERNAL.values(), ids=EXTERNAL.keys())
def test_external_data_is_found_wherever_a_tensor_can_be(make):
    assert read_graph_contents(make().SerializeToString()).external_data


def test_nested_operators_are_listed():
    operators = read_graph_contents(_nested().SerializeToString()).operators

    names = "Constant Default Else First If Initialize Inside Many Second Then Train"
    assert names.split() == sorted(op_type for _, op_type in operators)


def test_the_last_of_several_names_counts_as_in_every_parser():
    node = _node("Harmless").SerializeToString() + onnx.NodeProto(op_type="Harmful").SerializeToString()
    graph = b"\x0a" + bytes([len(node)]) + node
    model = b"\x3a" + bytes([len(graph)]) + graph

    assert _oracle(onnx.load_from_string(model)) == read_graph_contents(model)
    assert read_graph_contents(model).operators == (("", "Harmful"),)


def _fuzzed(seeds):
    """Bytes of a model with a few flipped, cut off or inserted."""

    @st.composite
    def strategy(draw):
        data = bytearray(draw(st.sampled_from(seeds)))
        for _ in range(draw(st.integers(1, 4))):
            position = draw(st.integers(0, len(data) - 1))
            match draw(st.sampled_from(["flip", "set", "cut", "insert", "delete"])):
                case "flip":
                    data[position] ^= 1 << draw(st.integers(0, 7))
                case "set":
                    data[position] = draw(st.integers(0, 255))
                case "cut":
                    del data[position + 1 :]
                case "insert":
                    data[position:position] = draw(st.binary(max_size=12))
                case "delete" if len(data) > 1:
                    del data[position]
        return bytes(data)

    return strategy()


SEEDS = [make().SerializeToString() for name, make in MODELS.items() if name != "empty"]


@settings(max_examples=1_500, deadline=None)
@given(data=_fuzzed(SEEDS) | st.binary(max_size=64))
def test_broken_bytes_are_refused_or_read_as_the_onnx_package_reads_them(data):
    try:
        contents = read_graph_contents(data)
    except ValueError:
        return
    model = onnx.ModelProto()
    try:
        model.ParseFromString(data)
    except DecodeError:
        return
    expected = _oracle(model)
    assert expected.operators == contents.operators
    # Stricter than needed is fine: an external_data field of another wire type is unknown to parsers, and refused here.
    assert contents.external_data or not expected.external_data


def _filled(message: Message, names: list[str]) -> None:
    """Give every text of a serving graph a name of its own, found by reflection."""
    for field in message.DESCRIPTOR.fields:
        if field.type == field.TYPE_STRING and field.full_name not in names:
            names.append(field.full_name)
            value = f"<{len(names):02d}>"
            getattr(message, field.name).append(value) if field.is_repeated else setattr(message, field.name, value)
    for field, value in message.ListFields():
        if field.message_type is not None:
            for child in value if field.is_repeated else [value]:
                _filled(child, names)


def test_a_text_that_is_not_utf_8_is_refused_wherever_a_serving_graph_may_have_one():
    """ONNX Runtime takes it, and fails when it is asked for the name."""
    values = [helper.make_tensor_value_info("v", TensorProto.FLOAT, ["rows", 2])]
    graph = helper.make_graph([_node("Cast", to=1)], "g", values, values, initializer=[_tensor()], value_info=values)
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.metadata_props.add()
    model.graph.input[0].metadata_props.add()
    names: list[str] = []
    _filled(model, names)
    good = model.SerializeToString()
    read_graph_contents(good)
    assert len(names) > 20
    taken = []
    for number, name in enumerate(names, 1):
        bad = good.replace(b"<%02d>" % number, b"<\xff\xfe>")
        assert bad != good
        try:
            read_graph_contents(bad)
        except ValueError as error:
            assert "not UTF-8" in str(error)  # noqa: PT017 - others are taken
        else:
            taken.append(name)
    assert taken == []


def test_deep_nesting_is_refused_without_exhausting_the_stack():
    data = b""
    for _ in range(100):
        for tag in (b"\x32", b"\x2a", b"\x0a"):  # Attribute.g of Node.attribute of Graph.node
            data = tag + _VarintBytes(len(data)) + data

    with pytest.raises(ValueError, match="deeper"):
        read_graph_contents(b"\x3a" + _VarintBytes(len(data)) + data)


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"\x3a\x05\x0a", "beyond its message"),
        (b"\x3a" + b"\xff" * 11, "does not end"),
        (b"\x08", "does not end"),
        (b"\x00\x01", "no field tag"),
        (b"\x0b\x0c", "wire type 3"),
        (b"\x3a\x07\x0a\x05\x22\x03\xff\xfe\xfd", "not UTF-8"),
        (b"\xff\xff\xff\xff\x7f\x00", "no field tag"),
    ],
)
def test_what_is_no_message_is_refused_with_the_reason(data, reason):
    with pytest.raises(ValueError, match=reason):
        read_graph_contents(data)
