"""Changes of a message that its descriptor suggests: each is one that a broken, old, new or hostile client could send."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from random import Random
from types import MappingProxyType
from typing import Final

from google.protobuf.descriptor import Descriptor, FieldDescriptor

from benchmarks.fuzzing.protobuf.tree import (
    FIXED32,
    FIXED64,
    GROUP_END,
    GROUP_START,
    LENGTH,
    VARINT,
    Field,
    Tree,
    copy_tree,
    encode_tree,
    varint,
)
from benchmarks.fuzzing.protobuf.values import Vocabulary, extreme_value, usual_value, wire_type_of

__all__ = ["MUTATIONS", "generate", "mutate_tree"]

_MESSAGE = FieldDescriptor.TYPE_MESSAGE
_MAX_FIELD = (1 << 29) - 1
_UNKNOWN_NUMBERS = (15, 16, 99, 2_047, 2_048, 18_999, 19_000, 19_999, 20_000, _MAX_FIELD)
_LENGTHS = (0, 1, 127, 128, 2**14, 2**21, 2**31 - 1, 2**31, 2**32 - 1, 2**32, 2**63 - 1, 2**63, 2**64 - 1)
_DEPTHS = (1, 10, 99, 100, 101, 5_000)
_COPIES = (2, 3, 16, 17, 100, 128, 129, 1_001, 2_001)
_MAX_GROWN_BYTES = 400_000
_FEW = 4

Node = tuple[Tree, Descriptor]
"""Fields of a message, and what is known of them."""
Mutation = Callable[[Random, Tree, Descriptor, Vocabulary], None]


def mutate_tree(random: Random, tree: Tree, descriptor: Descriptor, vocabulary: Vocabulary) -> bytes:
    """Change a message at one to four places, and write it.

    Args:
        random: Draws the changes.
        tree: The message; it stays as it is.
        descriptor: Of its type.
        vocabulary: What it is about.
    """
    changed = copy_tree(tree)
    for _ in range(random.choice((1, 1, 1, 2, 2, 3, 4))):
        fields, known = random.choice(_nodes(changed, descriptor))
        random.choice(_WEIGHTED)(random, fields, known, vocabulary)
    return encode_tree(changed)


def generate(random: Random, descriptor: Descriptor, vocabulary: Vocabulary, depth: int = 0) -> Tree:
    """Make a message of fields at random, usual values and extreme ones."""
    tree: Tree = []
    for known in descriptor.fields:
        if random.random() < 0.35:
            continue
        for _ in range(random.randrange(_FEW) if known.is_repeated else 1):
            tree.append(_new_field(random, known, vocabulary, extreme=random.random() < 0.15, depth=depth))
    random.shuffle(tree)
    return tree


def _nodes(tree: Tree, descriptor: Descriptor) -> list[Node]:
    """List the messages in a message, itself included."""
    found: list[Node] = [(tree, descriptor)]
    for field in tree:
        if isinstance(field, Field) and isinstance(field.value, list):
            known = descriptor.fields_by_number.get(field.number)
            if known is not None and known.message_type is not None:
                found += _nodes(field.value, known.message_type)
    return found


def _new_field(
    random: Random, known: FieldDescriptor, vocabulary: Vocabulary, *, extreme: bool, depth: int = 0
) -> Field:
    if known.type == _MESSAGE:
        inner = generate(random, known.message_type, vocabulary, depth + 1) if depth < _FEW else []
        return Field(known.number, LENGTH, inner)
    draw = extreme_value if extreme else usual_value
    return Field(known.number, wire_type_of(known), draw(random, known, vocabulary))


def _place(random: Random, tree: Tree) -> int | None:
    """Draw the place of a field; None if there is none."""
    places = [place for place, field in enumerate(tree) if isinstance(field, Field)]
    return random.choice(places) if places else None


def _field_at(random: Random, tree: Tree) -> tuple[int, Field] | None:
    place = _place(random, tree)
    if place is None:
        return None
    field = tree[place]
    assert isinstance(field, Field)
    return place, field


def _set_extreme(random: Random, tree: Tree, descriptor: Descriptor, vocabulary: Vocabulary) -> None:
    """Give a field a value at or beyond its bounds."""
    _set_field(random, tree, descriptor, vocabulary, extreme=True)


def _set_usual(random: Random, tree: Tree, descriptor: Descriptor, vocabulary: Vocabulary) -> None:
    """Give a field another usual value."""
    _set_field(random, tree, descriptor, vocabulary, extreme=False)


def _set_field(random: Random, tree: Tree, descriptor: Descriptor, vocabulary: Vocabulary, *, extreme: bool) -> None:
    if not descriptor.fields:
        return
    new = _new_field(random, random.choice(descriptor.fields), vocabulary, extreme=extreme)
    for place, field in enumerate(tree):
        if isinstance(field, Field) and field.number == new.number:
            tree[place] = new
            return
    tree.append(new)


def _repeat_singular(random: Random, tree: Tree, descriptor: Descriptor, vocabulary: Vocabulary) -> None:
    """Send a field a second time, with another value: the last one counts, and messages are merged."""
    if descriptor.fields:
        known = random.choice(descriptor.fields)
        new = _new_field(random, known, vocabulary, extreme=random.random() < 0.5)
        tree.insert(random.randrange(len(tree) + 1), new)


def _drop(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    place = _place(random, tree)
    if place is not None:
        del tree[place]


def _multiply(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Repeat a field until it is as often there as a limit, or once more."""
    found = _field_at(random, tree)
    if found is not None:
        place, field = found
        size = len(encode_tree([field]))
        copies = min(random.choice(_COPIES), _MAX_GROWN_BYTES // size)
        tree[place:place] = [field] * copies


def _shuffle(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    random.shuffle(tree)


def _wrong_wire_type(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Write a field as one of another type."""
    found = _field_at(random, tree)
    if found is None:
        return
    place, field = found
    wire_type = random.choice((VARINT, FIXED64, LENGTH, FIXED32))
    value: int | bytes = {
        VARINT: random.getrandbits(random.choice((1, 7, 32, 64))),
        FIXED64: random.randbytes(8),
        LENGTH: random.randbytes(random.choice((0, 1, 4, 7, 80))),
        FIXED32: random.randbytes(4),
    }[wire_type]
    tree[place] = Field(field.number, wire_type, value)


def _renumber(random: Random, tree: Tree, descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Give a field the number of another one, or of none."""
    found = _field_at(random, tree)
    if found is None:
        return
    place, field = found
    known = [known.number for known in descriptor.fields] or [1]
    number = random.choice((random.choice(known), random.choice(_UNKNOWN_NUMBERS), 0))
    tree[place] = Field(number, field.wire_type, field.value)


def _unknown_field(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Add a field that no release knows."""
    number = random.choice(_UNKNOWN_NUMBERS)
    choices: Sequence[Field] = (
        Field(number, VARINT, random.getrandbits(64)),
        Field(number, FIXED64, random.randbytes(8)),
        Field(number, FIXED32, random.randbytes(4)),
        Field(number, LENGTH, random.randbytes(random.choice((0, 10, 5_000)))),
    )
    tree.insert(random.randrange(len(tree) + 1), random.choice(choices))


def _wrong_length(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """State another length than a field has."""
    found = _field_at(random, tree)
    if found is None:
        return
    place, field = found
    inner = field.value
    encoded = encode_tree(inner) if isinstance(inner, list) else varint(inner) if isinstance(inner, int) else inner
    length = random.choice((len(encoded) + 1, max(0, len(encoded) - 1), random.choice(_LENGTHS)))
    tree[place] = varint(field.number << 3 | LENGTH) + varint(length) + encoded


def _long_varint(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Write an integer, or a field's tag, with more bytes than it needs, or more than there may be."""
    found = _field_at(random, tree)
    if found is None:
        return
    place, field = found
    extra = random.choice((1, 2, 8, 9, 10, 11, 100))
    number = random.getrandbits(7)
    padded = bytes((number | 0x80,)) + b"\x80" * (extra - 1) + bytes((random.choice((0, 1, 0x7F)),))
    tree[place] = varint(field.number << 3 | VARINT) + padded if random.random() < 0.7 else padded + b"\0"


def _groups(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Nest groups in each other, which the contract does not have; perhaps with an end too many or too few."""
    depth = random.choice(_DEPTHS)
    number = random.choice((1, 2, *_UNKNOWN_NUMBERS))
    ends = random.choice((depth, depth, depth - 1, depth + 1, 0))
    tree.append(varint(number << 3 | GROUP_START) * depth + varint(number << 3 | GROUP_END) * ends)


def _nest(random: Random, tree: Tree, descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Wrap a message into itself many times, as its own field."""
    known = random.choice(descriptor.fields).number if descriptor.fields else 1
    inner = encode_tree(tree)
    for _ in range(random.choice((1, 10, 99, 101, 3_000))):
        inner = varint(known << 3 | LENGTH) + varint(len(inner)) + inner
        if len(inner) > _MAX_GROWN_BYTES:
            break
    tree[:] = [inner]


def _pack_list(random: Random, tree: Tree, descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """Write a list of numbers packed, whole or cut, where one would not, or in two pieces."""
    numbers = [known for known in descriptor.fields if wire_type_of(known) != LENGTH]
    known = random.choice(numbers) if numbers else None
    if known is None:
        return
    width = {VARINT: 1, FIXED32: 4, FIXED64: 8}[wire_type_of(known)]
    size = random.choice((0, 1, 7, 20, 20, 27, 1_000)) * width + random.choice((0, 0, 0, 1, 3))
    tree.insert(random.randrange(len(tree) + 1), Field(known.number, LENGTH, random.randbytes(size)))


def _text_for_message(random: Random, tree: Tree, descriptor: Descriptor, vocabulary: Vocabulary) -> None:
    """Put bytes at random where a message, or a text that is UTF-8, is expected."""
    lengths = [known for known in descriptor.fields if wire_type_of(known) == LENGTH]
    if lengths:
        known = random.choice(lengths)
        value = extreme_value(random, known, vocabulary) if random.random() < 0.5 else random.randbytes(30)
        tree.append(Field(known.number, LENGTH, value))


def _cut(random: Random, tree: Tree, _descriptor: Descriptor, _vocabulary: Vocabulary) -> None:
    """End the message in the middle of a field."""
    encoded = encode_tree(tree)
    tree[:] = [encoded[: random.randrange(len(encoded) + 1)]]


MUTATIONS: Final = MappingProxyType(
    {
        _set_extreme: 8,
        _set_usual: 4,
        _repeat_singular: 3,
        _drop: 2,
        _multiply: 2,
        _shuffle: 1,
        _wrong_wire_type: 3,
        _renumber: 2,
        _unknown_field: 2,
        _wrong_length: 2,
        _long_varint: 2,
        _groups: 1,
        _nest: 1,
        _pack_list: 2,
        _text_for_message: 2,
        _cut: 1,
    }
)
"""How often each is drawn, beside the others."""

_WEIGHTED: tuple[Mutation, ...] = tuple(mutation for mutation, weight in MUTATIONS.items() for _ in range(weight))
