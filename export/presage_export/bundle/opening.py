"""Open a bundle that another process has verified: its files are compared with what was verified, and nothing is verified again."""

from __future__ import annotations

import hashlib
from functools import cache, partial
from pathlib import Path

import msgspec

from presage_export.bundle.bundle import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    MAX_FILE_BYTES,
    MODEL_FILE,
    Bundle,
    decode_manifest_file,
    load_model,
    read_file,
    read_optional_file,
    run_model,
)
from presage_export.bundle.compiled_trees import CompiledTrees
from presage_export.bundle.explaining import Explainer
from presage_export.bundle.explaining.reading import EXPLAIN_FILE, read_explainer
from presage_export.bundle.golden import unpack_golden
from presage_export.bundle.manifest import Manifest, encode_manifest
from presage_export.bundle.ranking import RankingBundle, compile_trees
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_graph
from presage_export.bundle.table_files import TABLES_FOLDER, map_tables
from presage_export.errors import BundleError, NotExplainableError

__all__ = ["manifest_digest", "open_verified_bundle"]


def manifest_digest(manifest: Manifest) -> str:
    """Return the SHA-256 of a manifest's content, in hex; since it has the digests of all other files, it stands for the bundle."""
    return hashlib.sha256(encode_manifest(manifest)).hexdigest()


def open_verified_bundle(directory: Path, digest: str) -> Bundle | RankingBundle:
    """Open a bundle of either kind, <name>/<version>, in a few milliseconds, most of which other threads can use.

    Args:
        directory: The bundle.
        digest: What ``manifest_digest`` returned where it was verified.

    Raises:
        BundleError: It was changed since then, or ONNX Runtime does not load it here.
    """
    path = directory / MANIFEST_FILE
    manifest = decode_manifest_file(path, read_file(path))
    if (actual := manifest_digest(manifest)) != digest:
        raise BundleError(
            path, f"expected the content with SHA-256 {digest}, got {actual}: replaced since it was verified"
        )
    model_path = directory / MODEL_FILE
    model_bytes = read_file(model_path)
    if (actual := hashlib.sha256(model_bytes).hexdigest()) != (expected := manifest.files[MODEL_FILE]):
        raise BundleError(
            model_path, f"expected SHA-256 {expected} as in {MANIFEST_FILE}, got {actual}: it was altered"
        )
    model = load_model(model_path, model_bytes, feature_count=len(manifest.feature_set.features))
    spec = manifest.ranking
    if spec is msgspec.UNSET:
        reading = cache(partial(_read_explainer, directory, manifest, model_bytes))
        return Bundle(directory=directory, manifest=manifest, model=model, read_explainer=reading)
    tables = {name: file_digest for name, file_digest in manifest.files.items() if name.startswith(f"{TABLES_FOLDER}/")}
    return RankingBundle(
        directory=directory,
        manifest=manifest,
        spec=spec,
        model=model,
        trees=_compile(directory, manifest, model_bytes, model),
        arrays=map_tables(directory, tables),
    )


def _read_explainer(directory: Path, manifest: Manifest, model_bytes: bytes) -> Explainer | NotExplainableError:
    """Read the graph, which takes milliseconds of Python: at the first explanation, and not while versions are swapped."""
    feature_count = len(manifest.feature_set.features)
    try:
        graph, ensemble = check_graph(model_bytes, feature_count=feature_count)
        return read_explainer(
            directory / EXPLAIN_FILE,
            read_optional_file(directory, manifest, EXPLAIN_FILE),
            graph,
            ensemble,
            feature_count=feature_count,
            max_bytes=MAX_FILE_BYTES,
        )
    except (BundleError, ValueError) as error:
        return NotExplainableError(str(error))


def _compile(directory: Path, manifest: Manifest, model_bytes: bytes, model: OnnxModel) -> CompiledTrees | None:
    """Compile the trees of a ranking model, as where it was verified: they have to give ONNX Runtime's bits on this host."""
    feature_count = len(manifest.feature_set.features)
    golden_bytes = read_optional_file(directory, manifest, GOLDEN_FILE)
    if golden_bytes is None:
        return None
    try:
        _, ensemble = check_graph(model_bytes, feature_count=feature_count)
        golden = unpack_golden(
            golden_bytes, feature_count=feature_count, max_bytes=MAX_FILE_BYTES, scored=manifest.is_sealed
        )
    except ValueError as error:
        raise BundleError(directory, str(error)) from error
    return compile_trees(ensemble, golden.rows, run_model(directory / MODEL_FILE, model, golden.rows))
