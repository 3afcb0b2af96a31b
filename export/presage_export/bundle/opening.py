"""Open a bundle that another process has verified: its files are compared with what was verified, and nothing is verified again."""

from __future__ import annotations

import hashlib
from functools import cache, partial
from pathlib import Path

import msgspec

from presage_export.bundle.bundle import Bundle, load_model, read_graph, run_model
from presage_export.bundle.compiled_trees import CompiledTrees
from presage_export.bundle.explaining import Explainer
from presage_export.bundle.explaining.reading import EXPLAIN_FILE, read_explainer
from presage_export.bundle.files import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    MAX_FILE_BYTES,
    MODEL_FILE,
    decode_golden_file,
    read_manifest,
    read_optional_file,
    read_stated_file,
)
from presage_export.bundle.manifest import Manifest, encode_manifest
from presage_export.bundle.ranking import RankingBundle, compile_trees
from presage_export.bundle.session import OnnxModel
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
    manifest = read_manifest(directory)
    if (actual := manifest_digest(manifest)) != digest:
        raise BundleError(
            directory / MANIFEST_FILE,
            f"expected the content with SHA-256 {digest}, got {actual}: replaced since it was verified",
        )
    model_bytes = read_stated_file(directory, manifest, MODEL_FILE)
    model = load_model(directory / MODEL_FILE, model_bytes, feature_count=len(manifest.feature_set.features))
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
        graph, ensemble = read_graph(directory / MODEL_FILE, model_bytes, feature_count=feature_count)
        return read_explainer(
            directory / EXPLAIN_FILE,
            read_optional_file(directory, manifest, EXPLAIN_FILE),
            graph,
            ensemble,
            feature_count=feature_count,
            max_bytes=MAX_FILE_BYTES,
        )
    except BundleError as error:
        return NotExplainableError(str(error))


def _compile(directory: Path, manifest: Manifest, model_bytes: bytes, model: OnnxModel) -> CompiledTrees | None:
    """Compile the trees of a ranking model, as where it was verified: they have to give ONNX Runtime's bits on this host."""
    model_path, golden_path = directory / MODEL_FILE, directory / GOLDEN_FILE
    _, ensemble = read_graph(model_path, model_bytes, feature_count=len(manifest.feature_set.features))
    golden = decode_golden_file(golden_path, read_stated_file(directory, manifest, GOLDEN_FILE), manifest)
    return compile_trees(ensemble, golden.rows, run_model(golden_path, model, golden.rows))
