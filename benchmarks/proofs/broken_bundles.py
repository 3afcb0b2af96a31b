"""New versions of a model for a running server: good ones, and ten kinds of broken ones."""

from __future__ import annotations

import hashlib
import io
import shutil
from collections.abc import Callable, Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np
import onnx

from presage_export.bundle.manifest import decode_manifest, encode_manifest, seal_manifest

__all__ = ["BROKEN", "OLDER", "copy_version", "put_in_place"]

MANIFEST, MODEL, GOLDEN = "manifest.json", "model.onnx", "golden.npz"
OLDER = "older version"
"""The kind that is not broken, and must not serve all the same."""


def copy_version(bundle: Path, target: Path) -> Path:
    """Copy a bundle as another version, which its manifest then has, too; beside its place, under a hidden name."""
    staged = target.with_name(f".{target.name}.new")
    shutil.rmtree(staged, ignore_errors=True)
    shutil.copytree(bundle, staged)
    _change_manifest(staged, version=target.name)
    return staged


def put_in_place(staged: Path, target: Path) -> None:
    """Give a copy its name, as ``write_bundle`` does it."""
    staged.rename(target)


def _change_manifest(bundle: Path, **changes: Any) -> None:
    path = bundle / MANIFEST
    manifest = msgspec.structs.replace(decode_manifest(path.read_bytes()), **changes)
    path.write_bytes(encode_manifest(seal_manifest(manifest)))


def _replace(bundle: Path, file_name: str, data: bytes) -> None:
    """Replace a file and say so in the manifest, as one would who wants it to be believed."""
    (bundle / file_name).write_bytes(data)
    files = decode_manifest((bundle / MANIFEST).read_bytes()).files
    _change_manifest(bundle, files={**files, file_name: hashlib.sha256(data).hexdigest()})


def _flip_a_bit(bundle: Path) -> None:
    data = bytearray((bundle / MODEL).read_bytes())
    data[len(data) // 2] ^= 1
    (bundle / MODEL).write_bytes(data)


def _change_fingerprint(bundle: Path) -> None:
    feature_set = decode_manifest((bundle / MANIFEST).read_bytes()).feature_set
    _change_manifest(bundle, feature_set=msgspec.structs.replace(feature_set, fingerprint="0" * 64))


def _change_golden_row(bundle: Path) -> None:
    arrays = dict(np.load(bundle / GOLDEN))
    arrays["margins"] = arrays["margins"] + np.eye(1, len(arrays["margins"]))[0]  # the first one, by 1
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    _replace(bundle, GOLDEN, buffer.getvalue())


def _truncate(bundle: Path) -> None:
    data = (bundle / MODEL).read_bytes()
    (bundle / MODEL).write_bytes(data[: len(data) // 2])


def _change_graph(bundle: Path, change: Callable[[onnx.GraphProto], None]) -> None:
    model = onnx.load_from_string((bundle / MODEL).read_bytes())
    change(model.graph)
    _replace(bundle, MODEL, model.SerializeToString())


def _add_operator(bundle: Path) -> None:
    def add(graph: onnx.GraphProto) -> None:
        graph.node[-1].op_type, graph.node[-1].domain = "RandomNormalLike", ""
        del graph.node[-1].attribute[:]

    _change_graph(bundle, add)


def _widen(bundle: Path) -> None:
    def widen(graph: onnx.GraphProto) -> None:
        graph.input[0].type.tensor_type.shape.dim[1].dim_value += 1

    _change_graph(bundle, widen)


def _garble_manifest(bundle: Path) -> None:
    (bundle / MANIFEST).write_text('{"format_version": 2, "name": ')


def _lose_golden(bundle: Path) -> None:
    (bundle / GOLDEN).unlink()


def _copy_half(bundle: Path) -> None:
    (bundle / MANIFEST).unlink()
    _truncate(bundle)


BROKEN: Mapping[str, Callable[[Path], None]] = MappingProxyType(
    {
        "bad digest": _flip_a_bit,
        "wrong fingerprint": _change_fingerprint,
        "wrong golden row": _change_golden_row,
        "truncated": _truncate,
        "forbidden operator": _add_operator,
        "wrong shape": _widen,
        "unreadable manifest": _garble_manifest,
        OLDER: lambda _bundle: None,
        "missing file": _lose_golden,
        "half-copied folder": _copy_half,
    }
)
"""By kind, what makes such a bundle of a good one."""
