"""Changes to the files of a bundle that an accident or an edit could make, with the digests computed again.

Those of the arrays in its archives and tables are in ``array_mutations``.
"""

from __future__ import annotations

import contextlib
import hashlib
import json
from typing import TYPE_CHECKING, Any

import msgspec
import onnx
from onnx import numpy_helper

from benchmarks.fuzzing.bundles.array_mutations import change_array_in

if TYPE_CHECKING:
    from collections.abc import Callable
    from random import Random

__all__ = ["MANIFEST", "MUTATIONS", "Files", "mutate", "seal"]

Files = dict[str, bytes]
"""By the name in the bundle."""

MODEL, GOLDEN, MANIFEST = "model.onnx", "golden.npz", "manifest.json"

_VALUES: list[Any] = [
    *(
        None,
        True,
        0,
        1,
        -1,
        2,
        2**31,
        2**63 - 1,
        2**63,
        10**40,
        0.5,
        -0.5,
        1e300,
        "",
        "logit",
        "identity",
        "probability",
    ),
    *("\x00", "\x1b[31m\n", "é" * 100, "../..", "0" * 64, [], {}, [[]], {"kind": "sigmoid", "a": 1.5, "b": 0.1}),
    {"kind": "isotonic", "margins": [-1.0, 1.0], "probabilities": [0.3, 0.7]},
]
_NUMBERS = [0.0, -0.0, 1e-6, 1e-3, 0.5, 1.0, 1e30, 1e300, float("nan"), float("inf"), float("-inf")]


def mutate(random: Random, files: Files) -> tuple[str, Files]:
    """Make one change at random; describes it, and returns the changed files."""
    name, change = random.choice(list(MUTATIONS.items()))
    changed = dict(files)
    place = change(random, changed)
    return f"{name} {place}", changed


def seal(files: Files) -> None:
    """Compute the digests again, as one would who wants the change to be believed."""
    fields = json.loads(files[MANIFEST])
    if not isinstance(fields, dict) or not isinstance(fields.get("files"), dict):
        return
    fields["files"] |= {name: hashlib.sha256(files[name]).hexdigest() for name in fields["files"] if name in files}
    if "manifest_sha256" in fields:
        fields["manifest_sha256"] = hashlib.sha256(_encode(fields | {"manifest_sha256": ""})).hexdigest()
    files[MANIFEST] = _encode(fields)


def _encode(fields: dict[str, Any]) -> bytes:
    return msgspec.json.format(msgspec.json.encode(fields, order="sorted"), indent=2) + b"\n"


def _change_bytes(random: Random, files: Files, name: str) -> str:
    data = bytearray(files[name])
    kind = random.choice(["flip", "set", "cut", "insert", "repeat"])
    position = random.randrange(len(data))
    match kind:
        case "flip":
            data[position] ^= 1 << random.randrange(8)
        case "set":
            data[position] = random.randrange(256)
        case "cut":
            del data[position : position + random.choice([1, 8, len(data)])]
        case "insert":
            data[position:position] = random.randbytes(random.choice([1, 8]))
        case "repeat":
            data[position:position] = data[position : position + random.choice([8, 100, 10_000])]
    files[name] = bytes(data)
    return f"{kind} at {position}"


def _model_bytes(random: Random, files: Files) -> str:
    place = _change_bytes(random, files, MODEL)
    seal(files)
    return place


def _golden_bytes(random: Random, files: Files) -> str:
    place = _change_bytes(random, files, GOLDEN)
    seal(files)
    return place


def _manifest_bytes(random: Random, files: Files) -> str:
    return _change_bytes(random, files, MANIFEST)


def _any_bytes(random: Random, files: Files) -> str:
    name = random.choice(list(files))
    return f"{name} {_change_bytes(random, files, name)}"


def _sealed_bytes(random: Random, files: Files) -> str:
    """Change bytes of a file that not all bundles have: of what explains, of a baseline, of a table."""
    name = random.choice(sorted(files.keys() - {MODEL, GOLDEN, MANIFEST}) or [GOLDEN])
    place = _change_bytes(random, files, name)
    seal(files)
    return f"{name} {place}"


def _missing(random: Random, files: Files) -> str:
    """Leave a file out, or add one."""
    name = random.choice(list(files))
    other = random.choice(["tables/other.npy", "../other", "explain.npz", "baseline.npz", "x" * 300, "a\0b"])
    fields = json.loads(files[MANIFEST])
    if random.random() < 0.5:
        del files[name]
        if random.random() < 0.5:
            fields["files"].pop(name, None)
    else:
        fields["files"][other] = "0" * 64
        if len(other) < 100 and "\0" not in other and ".." not in other:
            files[other] = files[name]
    if MANIFEST in files:
        files[MANIFEST] = json.dumps(fields).encode()
        seal(files)
    return f"{name} {other[:30]!r}"


def _manifest_field(random: Random, files: Files) -> str:
    fields = json.loads(files[MANIFEST])
    path, target = [], fields
    while True:
        key: Any = random.choice(list(target) if isinstance(target, dict) else range(len(target)))
        path.append(key)
        inner = target[key]
        if not isinstance(inner, dict | list) or not inner or random.random() < 0.3:
            break
        target = inner
    value = random.choice(_VALUES)
    if isinstance(inner, float) and random.random() < 0.5:
        value = inner * (1 + random.choice([1e-9, 1e-3, -1e-3, 1.0]))
    if random.random() < 0.1 and isinstance(target, dict):
        del target[key]
    else:
        target[key] = value
    files[MANIFEST] = json.dumps(fields).encode()
    # Numbers that cannot be written by the rules leave the digest as it was.
    with contextlib.suppress(OverflowError):
        seal(files)
    return f"{path} = {value!r}"


def change_array(random: Random, files: Files) -> str:
    """Change an array of an archive, or a table."""
    place = change_array_in(random, files)
    seal(files)
    return place


def _link(random: Random, files: Files) -> str:
    fields = json.loads(files[MANIFEST])
    fields["link"] = random.choice(["logit", "identity", "probability"])
    fields["calibration"] = random.choice(
        [None, {"kind": "sigmoid", "a": random.choice([0.5, 1.0, 1.1]), "b": random.choice([0.0, 1e-5, 0.1])}]
    )
    files[MANIFEST] = json.dumps(fields).encode()
    seal(files)
    return f"{fields['link']} {fields['calibration']}"


def _nodes(random: Random, files: Files) -> str:
    """Edit an array of an operator: an id, a mode, a threshold, a weight."""
    model = onnx.load_from_string(files[MODEL])
    attributes = [(node, attribute) for node in model.graph.node for attribute in node.attribute]
    node, attribute = random.choice(attributes)
    place = f"{node.op_type}.{attribute.name} "
    if attribute.ints:
        place += _edit_list(random, attribute.ints, _other_integer)
    elif attribute.strings:
        modes = [b"BRANCH_LEQ", b"LEAF", b"BRANCH_LT", b"BRANCH_EQ", b"BRANCH_MEMBER", b""]
        place += _edit_list(random, attribute.strings, lambda _, random: random.choice(modes))
    elif attribute.HasField("t"):
        numbers = numpy_helper.to_array(attribute.t).copy()
        index = random.randrange(numbers.size)
        numbers.flat[index] = _other_number(float(numbers.flat[index]), random)
        attribute.t.CopyFrom(numpy_helper.from_array(numbers, attribute.t.name))
        place += f"[{index}]"
    elif attribute.HasField("i"):
        attribute.i = _other_integer(attribute.i, random)
    else:
        attribute.s = random.choice([b"SUM", b"AVERAGE", b"MIN", b"NONE", b"LOGISTIC", b""])
    files[MODEL] = model.SerializeToString(deterministic=True)
    seal(files)
    return place


def _edit_list(random: Random, values: Any, other: Callable[[Any, Random], Any]) -> str:
    index = random.randrange(len(values))
    kind = random.choice(["set", "set", "set", "swap", "delete", "append"])
    match kind:
        case "set":
            values[index] = other(values[index], random)
        case "swap":
            second = random.randrange(len(values))
            values[index], values[second] = values[second], values[index]
        case "delete":
            del values[index]
        case "append":
            values.append(values[index])
    return f"{kind} [{index}]"


def _other_integer(value: int, random: Random) -> int:
    return random.choice([value + 1, value - 1, 0, random.randrange(300), -1, 2**31, 2**63 - 1, -(2**63)])


def _other_number(value: float, random: Random) -> float:
    return random.choice([*_NUMBERS, value * (1 + 1e-12), value * (1 + 1e-7), value * 1.001, value + 0.01, -value])


def _constants(random: Random, files: Files) -> str:
    """Edit a constant tensor of a linear part; of a model without one, its nodes."""
    model = onnx.load_from_string(files[MODEL])
    if not model.graph.initializer:
        return _nodes(random, files)
    tensor = random.choice(model.graph.initializer)
    numbers = numpy_helper.to_array(tensor).copy()
    index = random.randrange(numbers.size)
    numbers.flat[index] = _other_number(float(numbers.flat[index]), random)
    if random.random() < 0.2:
        numbers = random.choice([numbers.T, numbers.reshape(-1), numbers[:1], numbers.repeat(50_000, axis=-1)])
    tensor.CopyFrom(numpy_helper.from_array(numbers, tensor.name))
    files[MODEL] = model.SerializeToString(deterministic=True)
    seal(files)
    return f"{tensor.name}[{index}]"


def _cycle(random: Random, files: Files) -> str:
    """Let a split have itself, its root or any other node of its tree as a child."""
    model = onnx.load_from_string(files[MODEL])
    node = next(node for node in model.graph.node if node.op_type == "TreeEnsembleRegressor")
    arrays = {attribute.name: attribute for attribute in node.attribute}
    splits = [index for index, mode in enumerate(arrays["nodes_modes"].strings) if mode != b"LEAF"]
    index = random.choice(splits)
    tree = arrays["nodes_treeids"].ints[index]
    mates = [
        node_id
        for node_id, tree_id in zip(arrays["nodes_nodeids"].ints, arrays["nodes_treeids"].ints, strict=True)
        if tree_id == tree
    ]
    side = random.choice(["nodes_truenodeids", "nodes_falsenodeids"])
    arrays[side].ints[index] = random.choice([arrays["nodes_nodeids"].ints[index], 0, *mates])
    files[MODEL] = model.SerializeToString(deterministic=True)
    seal(files)
    return f"{side}[{index}]"


MUTATIONS = {
    "model bytes": _model_bytes,
    "golden bytes": _golden_bytes,
    "manifest bytes": _manifest_bytes,
    "bytes without digest": _any_bytes,
    "bytes of other files": _sealed_bytes,
    "missing": _missing,
    "array": change_array,
    "manifest field": _manifest_field,
    "link": _link,
    "nodes": _nodes,
    "constants": _constants,
    "cycle": _cycle,
}
