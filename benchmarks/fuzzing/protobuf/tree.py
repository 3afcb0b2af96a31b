"""A message as it is on the wire: fields in order, some of them messages. What is read from bytes is written to the same bytes."""

from __future__ import annotations

from typing import NamedTuple, TypeAlias

from google.protobuf.descriptor import Descriptor, FieldDescriptor

__all__ = [
    "FIXED32",
    "FIXED64",
    "GROUP_END",
    "GROUP_START",
    "LENGTH",
    "VARINT",
    "Field",
    "Tree",
    "copy_tree",
    "encode_tree",
    "read_tree",
    "varint",
]

VARINT, FIXED64, LENGTH, GROUP_START, GROUP_END, FIXED32 = range(6)
_WIDTHS = {FIXED64: 8, FIXED32: 4}
_MESSAGE = FieldDescriptor.TYPE_MESSAGE


class Field(NamedTuple):
    """One field."""

    number: int
    wire_type: int
    value: int | bytes | Tree
    """An integer of a varint; bytes, or the fields of a message."""


Tree: TypeAlias = "list[Field | bytes]"
"""Fields, and bytes that stand among them as they are."""


def varint(number: int) -> bytes:
    """Write an integer; a negative one as its 64 bits."""
    number &= (1 << 64) - 1
    encoded = bytearray()
    while number > 0x7F:
        encoded.append(number & 0x7F | 0x80)
        number >>= 7
    encoded.append(number)
    return bytes(encoded)


def encode_tree(tree: Tree) -> bytes:
    """Write fields, whatever they are."""
    parts = []
    for field in tree:
        if isinstance(field, bytes):
            parts.append(field)
            continue
        number, wire_type, value = field
        parts.append(varint(number << 3 | wire_type))
        if isinstance(value, int):
            parts.append(varint(value))
        else:
            encoded = encode_tree(value) if isinstance(value, list) else value
            if wire_type == LENGTH:
                parts.append(varint(len(encoded)))
            parts.append(encoded)
    return b"".join(parts)


def read_tree(data: bytes, descriptor: Descriptor) -> Tree:
    """Read the bytes of a correct message."""
    tree: Tree = []
    at = 0
    while at < len(data):
        tag, at = _read_varint(data, at)
        number, wire_type = tag >> 3, tag & 7
        value: int | bytes | Tree
        if wire_type == VARINT:
            value, at = _read_varint(data, at)
        else:
            if wire_type == LENGTH:
                width, at = _read_varint(data, at)
            else:
                width = _WIDTHS[wire_type]
            value = data[at : at + width]
            at += width
            known = descriptor.fields_by_number.get(number)
            if wire_type == LENGTH and known is not None and known.type == _MESSAGE:
                value = read_tree(value, known.message_type)
        tree.append(Field(number, wire_type, value))
    return tree


def copy_tree(tree: Tree) -> Tree:
    """Copy fields, so that the copy can be changed."""
    return [
        Field(field.number, field.wire_type, copy_tree(field.value))
        if isinstance(field, Field) and isinstance(field.value, list)
        else field
        for field in tree
    ]


def _read_varint(data: bytes, at: int) -> tuple[int, int]:
    number = shift = 0
    while True:
        byte = data[at]
        at += 1
        number |= (byte & 0x7F) << shift
        if byte < 0x80:
            return number, at
        shift += 7
