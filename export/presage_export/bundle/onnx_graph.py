"""Decode the nodes and tensors of a serving graph from an ONNX file, more strictly than a parser would.

A protobuf parser skips fields that it does not know, and merges repeated ones. Here both are errors, so that what was checked is
what ONNX Runtime reads. Subgraphs, functions and sparse tensors have no place in a sum of trees and a linear part: errors too.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.onnx_wire import BYTES, FIXED32, FIXED64, VARINT, max_values, read_fields, read_varint

__all__ = ["AttributeValue", "Graph", "Node", "read_graph"]

_MAX_SHOWN = 64

# Field numbers of onnx.proto3.
_MODEL: Final = {"ir_version": 1, "graph": 7, "opset_import": 8}
_MODEL_TEXTS: Final = frozenset({2, 3, 4, 5, 6, 14})
_GRAPH: Final = {"node": 1, "initializer": 5}
_GRAPH_OTHERS: Final = frozenset({2, 10, 11, 12, 13})
_NODE: Final = {"input": 1, "output": 2, "op_type": 4, "attribute": 5, "domain": 7}
_NODE_TEXTS: Final = frozenset({3, 6})
_ATTRIBUTE: Final = {"name": 1, "type": 20}
_ATTRIBUTE_TEXTS: Final = frozenset({13})
_TENSOR: Final = {"dims": 1, "data_type": 2, "float_data": 4, "raw_data": 9, "double_data": 10}
_TENSOR_TEXTS: Final = frozenset({8, 12})

# For each AttributeProto.type: the field of the value, and the wire types that it may have.
_FLOAT, _INT, _STRING, _TENSOR_KIND, _FLOATS, _INTS, _STRINGS = 1, 2, 3, 4, 6, 7, 8
_SINGLE: Final = {_FLOAT, _INT, _STRING, _TENSOR_KIND}
_VALUE_FIELDS: Final = {
    _FLOAT: (2, {FIXED32}),
    _INT: (3, {VARINT}),
    _STRING: (4, {BYTES}),
    _TENSOR_KIND: (5, {BYTES}),
    _FLOATS: (7, {FIXED32, BYTES}),
    _INTS: (8, {VARINT, BYTES}),
    _STRINGS: (9, {BYTES}),
}
_DATA_TYPES: Final[dict[int, tuple[np.dtype[np.floating], str]]] = {
    1: (np.dtype("<f4"), "float_data"),
    11: (np.dtype("<f8"), "double_data"),
}

AttributeValue = float | int | bytes | list[bytes] | NDArray[np.int64] | NDArray[np.float64]
"""Numbers are arrays where the attribute has several; floats, tensors included, are float64."""

_Found = dict[int, list[tuple[int, int, int]]]
"""By field number: wire type, start and end of each value."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Node:
    """One operation of a graph."""

    op_type: str
    """The operator, without its domain."""
    domain: str
    """``""`` or ``ai.onnx.ml``."""
    inputs: tuple[bytes, ...]
    """Names of the values that it reads."""
    outputs: tuple[bytes, ...]
    """Names of the values that it computes."""
    attributes: dict[str, AttributeValue]
    """Its parameters by name."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Graph:
    """The operations of a model, and its constant tensors."""

    nodes: tuple[Node, ...]
    """In the order of the file."""
    initializers: tuple[NDArray[np.float64], ...]
    """Constant tensors in their shape."""


def read_graph(model_bytes: bytes) -> Graph:
    """Decode the graph of a serialized ``ModelProto``.

    Raises:
        ValueError: The bytes are not a model, or have a field or a value that a serving graph does not need.
    """
    reader = _Reader(model_bytes)
    model = reader.fields("Model", 0, len(model_bytes), {*_MODEL.values(), *_MODEL_TEXTS})
    graph = reader.fields("Graph", *reader.single(model, "graph", _MODEL["graph"]), {*_GRAPH.values(), *_GRAPH_OTHERS})
    return Graph(
        nodes=tuple(reader.node(start, end) for start, end in reader.messages(graph, "node", _GRAPH["node"])),
        initializers=tuple(
            reader.tensor(start, end) for start, end in reader.messages(graph, "initializer", _GRAPH["initializer"])
        ),
    )


class _Reader:
    def __init__(self, data: bytes) -> None:
        self._data = data

    def fields(self, message: str, start: int, end: int, allowed: Collection[int]) -> _Found:
        found: _Found = {}
        for field, wire_type, value_start, value_end in read_fields(self._data, start, end):
            found.setdefault(field, []).append((wire_type, value_start, value_end))
        if unexpected := sorted(found.keys() - set(allowed)):
            raise ValueError(f"{message}: field {unexpected[0]} is not allowed in a serving graph")
        return found

    def messages(self, found: _Found, name: str, field: int) -> list[tuple[int, int]]:
        values = found.get(field, [])
        if any(wire_type != BYTES for wire_type, _, _ in values):
            raise ValueError(f"{name}: expected bytes")
        return [(start, end) for _, start, end in values]

    def single(self, found: _Found, name: str, field: int) -> tuple[int, int]:
        values = self.messages(found, name, field)
        if len(values) != 1:
            raise ValueError(f"{name}: expected once, got {len(values)} times")
        return values[0]

    def texts(self, found: _Found, name: str, field: int) -> list[bytes]:
        return [self._data[start:end] for start, end in self.messages(found, name, field)]

    def text(self, found: _Found, name: str, field: int) -> str:
        values = self.texts(found, name, field)
        if len(values) > 1:
            raise ValueError(f"{name}: expected at most once, got {len(values)} times")
        return b"".join(values).decode()

    def integer(self, found: _Found, name: str, field: int) -> int:
        values = found.get(field, [])
        if len(values) != 1 or values[0][0] != VARINT:
            raise ValueError(f"{name}: expected one integer")
        return _signed(read_varint(self._data, values[0][1], values[0][2])[0])

    def node(self, start: int, end: int) -> Node:
        found = self.fields("Node", start, end, {*_NODE.values(), *_NODE_TEXTS})
        op_type = self.text(found, "op_type", _NODE["op_type"])
        attributes: dict[str, AttributeValue] = {}
        for attribute_start, attribute_end in self.messages(found, "attribute", _NODE["attribute"]):
            name, value = self.attribute(attribute_start, attribute_end)
            if name in attributes:
                raise ValueError(f"{op_type}: attribute {name[:_MAX_SHOWN]!r} occurs twice")
            attributes[name] = value
        return Node(
            op_type=op_type,
            domain=self.text(found, "domain", _NODE["domain"]),
            inputs=tuple(self.texts(found, "input", _NODE["input"])),
            outputs=tuple(self.texts(found, "output", _NODE["output"])),
            attributes=attributes,
        )

    def attribute(self, start: int, end: int) -> tuple[str, AttributeValue]:
        value_fields = {field for field, _ in _VALUE_FIELDS.values()}
        found = self.fields("Attribute", start, end, {*_ATTRIBUTE.values(), *_ATTRIBUTE_TEXTS, *value_fields})
        name = self.text(found, "name", _ATTRIBUTE["name"])
        kind = self.integer(found, "type", _ATTRIBUTE["type"])
        if kind not in _VALUE_FIELDS:
            raise ValueError(f"attribute {name[:_MAX_SHOWN]!r}: type {kind} is not allowed in a serving graph")
        field, wire_types = _VALUE_FIELDS[kind]
        values = found.get(field, [])
        others = value_fields & found.keys() - {field}
        if others or not {wire_type for wire_type, _, _ in values} <= wire_types:
            raise ValueError(f"attribute {name[:_MAX_SHOWN]!r}: its value is not of its type")
        if kind in _SINGLE and len(values) != 1:
            raise ValueError(f"attribute {name[:_MAX_SHOWN]!r}: expected one value, got {len(values)}")
        return name, self.value(kind, values)

    def value(self, kind: int, values: list[tuple[int, int, int]]) -> AttributeValue:
        if kind in {_FLOAT, _FLOATS}:
            floats = self._numbers(values, np.dtype("<f4"))
            return floats if kind == _FLOATS else float(floats[0])
        if kind in {_INT, _INTS}:
            integers = self.integers(values)
            return integers if kind == _INTS else int(integers[0])
        if kind == _TENSOR_KIND:
            return self.tensor(*values[0][1:])
        texts = [self._data[start:end] for _, start, end in values]
        return texts if kind == _STRINGS else texts[0]

    def tensor(self, start: int, end: int) -> NDArray[np.float64]:
        found = self.fields("Tensor", start, end, {*_TENSOR.values(), *_TENSOR_TEXTS})
        data_type = self.integer(found, "data_type", _TENSOR["data_type"])
        if data_type not in _DATA_TYPES:
            raise ValueError(f"Tensor: data type {data_type} is not allowed; expected float or double")
        dtype, own_field = _DATA_TYPES[data_type]
        present = [name for name in ("float_data", "double_data", "raw_data") if _TENSOR[name] in found]
        if len(present) > 1 or not set(present) <= {own_field, "raw_data"}:
            raise ValueError(f"Tensor: expected its data in raw_data or {own_field}, got {' and '.join(present)}")
        values = [value for name in present for value in found[_TENSOR[name]]]
        if present == ["raw_data"] and (len(values) > 1 or values[0][0] != BYTES):
            raise ValueError("Tensor: expected raw_data once")
        if not {wire_type for wire_type, _, _ in values} <= {BYTES, FIXED32 if data_type == 1 else FIXED64}:
            raise ValueError("Tensor: its data is not of its type")
        numbers = self._numbers(values, dtype)
        shape = self.integers(found.get(_TENSOR["dims"], [])).tolist()
        if any(size < 0 for size in shape) or _product(shape) != len(numbers):
            raise ValueError(f"Tensor: {len(numbers)} numbers do not have the shape {shape[:_MAX_SHOWN]}")
        return numbers.reshape(shape)

    def _numbers(self, values: list[tuple[int, int, int]], dtype: np.dtype[np.floating]) -> NDArray[np.float64]:
        data = b"".join(self._data[start:end] for _, start, end in values)
        if len(data) % dtype.itemsize:
            raise ValueError(f"{len(data)} bytes are no whole number of {dtype.name}")
        return np.frombuffer(data, dtype).astype(np.float64)

    def integers(self, values: list[tuple[int, int, int]]) -> NDArray[np.int64]:
        numbers: list[int] = []
        most = max_values(self._data)
        for wire_type, start, end in values:
            position = start
            while position < end:
                if len(numbers) >= most:
                    raise ValueError(f"more than {most} integers in one list")
                number, position = read_varint(self._data, position, end)
                numbers.append(_signed(number))
            if wire_type not in {VARINT, BYTES}:
                raise ValueError("expected integers")
        return np.array(numbers, dtype=np.int64)


def _signed(value: int) -> int:
    value &= 2**64 - 1
    return value - 2**64 if value >= 2**63 else value


def _product(shape: list[int]) -> int:
    # Not numpy's, which overflows.
    product = 1
    for size in shape:
        product *= size
    return product
