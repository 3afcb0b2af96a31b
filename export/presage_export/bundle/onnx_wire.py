"""List the operators of an ONNX file from its bytes, without loading it.

Serving hosts have no ``onnx`` package, and ONNX Runtime must not load a graph before its operators were checked. So this walks
the protobuf wire format (https://protobuf.dev/programming-guides/encoding/) along the few fields of onnx.proto3 that can contain
nodes and tensors. It is stricter than parsers are: what it does not understand, it rejects.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

__all__ = [
    "BYTES",
    "FIXED32",
    "FIXED64",
    "VARINT",
    "GraphContents",
    "max_values",
    "read_fields",
    "read_graph_contents",
    "read_varint",
]

# For each message of onnx.proto3, the fields that lead to nodes, tensors or texts, and the message type of each.
_CHILDREN: Final[dict[str, dict[int, str]]] = {
    "Model": {7: "Graph", 8: "Opset", 14: "Entry", 20: "TrainingInfo", 25: "Function"},
    "TrainingInfo": {1: "Graph", 2: "Graph"},
    "Graph": {1: "Node", 5: "Tensor", 11: "Value", 12: "Value", 13: "Value", 15: "SparseTensor"},
    "Function": {7: "Node", 11: "Attribute"},
    "Node": {5: "Attribute"},
    "Attribute": {5: "Tensor", 6: "Graph", 10: "Tensor", 11: "Graph", 22: "SparseTensor", 23: "SparseTensor"},
    "SparseTensor": {1: "Tensor", 2: "Tensor"},
    "Tensor": {},
    "Opset": {},
    "Value": {2: "Type", 4: "Entry"},
    "Type": {1: "TensorType"},
    "TensorType": {2: "Shape"},
    "Shape": {1: "Dimension"},
    "Dimension": {},
    "Entry": {},
}
# The fields that are texts, of which ONNX Runtime takes any bytes, and then fails where it shows them to Python.
_TEXTS: Final[dict[str, frozenset[int]]] = {
    "Model": frozenset({2, 3, 4, 6}),
    "Graph": frozenset({2, 10}),
    "Node": frozenset({1, 2, 3, 4, 6, 7, 8}),
    "Attribute": frozenset({1, 13, 21}),
    "Tensor": frozenset({8, 12}),
    "Opset": frozenset({1}),
    "Value": frozenset({1, 3}),
    "Type": frozenset({6}),
    "Dimension": frozenset({2, 3}),
    "Entry": frozenset({1, 2}),
}
_NODE_OP_TYPE = 4
_NODE_DOMAIN = 7
_TENSOR_EXTERNAL_DATA = 13
_TENSOR_DATA_LOCATION = 14

VARINT: Final = 0
FIXED64: Final = 1
BYTES: Final = 2
FIXED32: Final = 5
_MAX_VARINT_BYTES = 10
_MAX_TAG = 2**32 - 1
_MAX_DEPTH = 64
_MIN_VALUES = 1_000


@dataclass(frozen=True, kw_only=True, slots=True)
class GraphContents:
    """Contents of a model file, including subgraphs, local functions and training graphs."""

    operators: tuple[tuple[str, str], ...]
    """``(domain, op_type)`` of every node, sorted, one entry per node."""
    external_data: bool
    """Whether any tensor refers to another file."""


def read_graph_contents(model_bytes: bytes) -> GraphContents:
    """List the operators of a serialized ``ModelProto``, and whether it refers to other files.

    Raises:
        ValueError: The bytes are not a protobuf message, are truncated, nest deeper than any real model, or have a name that is no
            text.
    """
    operators: list[tuple[str, str]] = []
    external_data = False
    pending = [("Model", 0, len(model_bytes), 0)]
    while pending:
        message, start, end, depth = pending.pop()
        if depth > _MAX_DEPTH:
            raise ValueError(f"messages nest deeper than {_MAX_DEPTH}")
        children, texts = _CHILDREN[message], _TEXTS.get(message, frozenset())
        domain = op_type = ""
        for field, wire_type, value_start, value_end in read_fields(model_bytes, start, end):
            if wire_type == BYTES and field in children:
                pending.append((children[field], value_start, value_end, depth + 1))
            elif wire_type == BYTES and field in texts:
                text = _text(model_bytes, value_start, value_end)
                if message == "Node" and field == _NODE_OP_TYPE:
                    op_type = text
                elif message == "Node" and field == _NODE_DOMAIN:
                    domain = text
            elif message == "Tensor" and field == _TENSOR_EXTERNAL_DATA:
                external_data = True
            elif message == "Tensor" and field == _TENSOR_DATA_LOCATION:
                external_data |= any(model_bytes[value_start:value_end])
        if message == "Node":
            operators.append((domain, op_type))
    return GraphContents(operators=tuple(sorted(operators)), external_data=external_data)


def max_values(data: bytes) -> int:
    """Return how many values one message of a file may have, so that a file of nothing but tiny values is refused early.

    A node of a tree takes at least 30 bytes in all attributes together, and one value in each.
    """
    return max(_MIN_VALUES, len(data) // 16)


def read_fields(data: bytes, start: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """Yield ``(field number, wire type, start of value, end of value)`` for each field of one message."""
    position, count, most = start, 0, max_values(data)
    while position < end:
        count += 1
        if count > most:
            raise ValueError(f"byte {position}: more than {most} values in one message")
        tag, position = read_varint(data, position, end)
        field, wire_type = tag >> 3, tag & 7
        if field == 0 or tag > _MAX_TAG:
            raise ValueError(f"byte {position}: {tag} is no field tag")
        if wire_type == VARINT:
            value_end = read_varint(data, position, end)[1]
        elif wire_type == BYTES:
            length, position = read_varint(data, position, end)
            value_end = position + length
        elif wire_type == FIXED64:
            value_end = position + 8
        elif wire_type == FIXED32:
            value_end = position + 4
        else:
            raise ValueError(f"byte {position}: wire type {wire_type} does not occur in ONNX files")
        if value_end > end:
            raise ValueError(f"byte {position}: a value ends at {value_end}, beyond its message, which ends at {end}")
        yield field, wire_type, position, value_end
        position = value_end


def read_varint(data: bytes, position: int, end: int) -> tuple[int, int]:
    """Return a base-128 integer and the position after it."""
    # A model has hundreds of thousands of these, and nearly all are one byte long.
    if position < end and data[position] < 0x80:
        return data[position], position + 1
    value = 0
    for index, byte in enumerate(data[position : min(end, position + _MAX_VARINT_BYTES)]):
        value |= (byte & 0x7F) << (7 * index)
        if byte < 0x80:
            return value, position + index + 1
    raise ValueError(f"byte {position}: an integer does not end")


def _text(data: bytes, start: int, end: int) -> str:
    try:
        return data[start:end].decode()
    except UnicodeDecodeError as error:
        raise ValueError(f"byte {start}: a name or another text is not UTF-8") from error
