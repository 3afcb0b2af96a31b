"""The bundle of a ranking model: a bundle with tables, verified before it ranks.

model.onnx        features of candidates to scores
golden.npz        rows, with the margins of the source model; the last ones are whole groups of candidates
tables/NAME.npy   which items go together
manifest.json     description of the model, and the SHA-256 of the other files and of itself
explain.npz, baseline.npz   optional, as in other bundles
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.bundle import verify_model
from presage_export.bundle.compiled_trees import CompiledTrees
from presage_export.bundle.ensemble import Ensemble
from presage_export.bundle.files import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    MODEL_FILE,
    OPTIONAL_FILES,
    decode_manifest_file,
    read_file,
    read_manifest,
)
from presage_export.bundle.golden import Golden
from presage_export.bundle.manifest import Manifest
from presage_export.bundle.order import compare_order
from presage_export.bundle.ranking_spec import RankingSpec
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.table_files import TABLES_FOLDER, check_tables, map_tables
from presage_export.errors import BundleError, ParityError

__all__ = ["RankingBundle", "compile_trees", "is_ranking_bundle", "load_ranking_bundle", "verify_ranking_bundle"]


@dataclass(frozen=True, kw_only=True, slots=True)
class RankingBundle:
    """A verified ranking model, ready to rank."""

    directory: Path
    """The directory that it was read from."""
    manifest: Manifest
    spec: RankingSpec
    """The manifest's part for ranking models."""
    model: OnnxModel
    trees: CompiledTrees | None
    """The same model, faster for many rows; None if ONNX Runtime has to run it."""
    arrays: Mapping[str, NDArray[np.generic]]
    """The tables by name, mapped into memory and read-only."""

    def scores(self, rows: NDArray[np.float32]) -> NDArray[np.float64]:
        """Score candidates. Scores have a meaning only beside each other, within one call.

        Args:
            rows: float32 ``[N, F]``, C-contiguous and finite.

        Returns:
            float64 ``[N]``; where they are equal, ``spec.tie_rule`` orders the items.

        Raises:
            ValueError: The rows have another dtype or shape.
        """
        margins = self.model.margins(rows) if self.trees is None else self.trees.margins(rows)
        return margins.astype(np.float64)


def is_ranking_bundle(directory: Path) -> bool:
    """Return whether a bundle's manifest is that of a ranking model, without verifying it; raises BundleError."""
    return read_manifest(directory).ranking is not msgspec.UNSET


def load_ranking_bundle(directory: Path) -> RankingBundle:
    """Read and verify the bundle of a ranking model, <name>/<version>.

    The checks are those of ``read_bundle``, and: the SHA-256 and the bounds of every table, and the order of the golden groups, up
    to what margins may differ by rounding.

    Raises:
        BundleError: A check fails; the error names the file and the reason.
    """
    return verify_ranking_bundle(directory, directory, lambda file_name: read_file(directory / file_name))


def verify_ranking_bundle(directory: Path, tables: Path, read: Callable[[str], bytes]) -> RankingBundle:
    """Verify a bundle.

    Args:
        directory: Named in errors, and by the manifest.
        tables: The folder that holds the tables' folder.
        read: Returns the other files by name.

    Raises:
        BundleError: A check fails.
    """
    path = directory / MANIFEST_FILE
    manifest = decode_manifest_file(path, read(MANIFEST_FILE))
    spec = manifest.ranking
    if spec is msgspec.UNSET:
        raise BundleError(path, "is that of a model that scores visitors and cannot rank items")
    if missing := {MODEL_FILE, GOLDEN_FILE} - manifest.files.keys():
        raise BundleError(path, f"files: expected {GOLDEN_FILE}, {MODEL_FILE} and tables, got no {min(missing)}")
    if manifest.link != "identity" or manifest.calibration is not None:
        raise BundleError(path, "expected the link 'identity' and no calibration, since scores are only compared")
    verified = verify_model(directory, manifest, read)
    _check_groups(directory / GOLDEN_FILE, manifest, spec, verified.golden, verified.margins)
    others = {MODEL_FILE, GOLDEN_FILE} | OPTIONAL_FILES
    digests = {name: digest for name, digest in manifest.files.items() if name not in others}
    arrays = map_tables(tables, digests)
    try:
        items = check_tables(arrays)
    except ValueError as error:
        raise BundleError(directory / TABLES_FOLDER, str(error)) from error
    if items != spec.items:
        raise BundleError(path, f"ranking.items: expected {items}, as in the tables, got {spec.items}")
    trees = compile_trees(verified.ensemble, verified.golden.rows, verified.margins)
    return RankingBundle(
        directory=directory, manifest=manifest, spec=spec, model=verified.model, trees=trees, arrays=arrays
    )


def compile_trees(
    ensemble: Ensemble | None, rows: NDArray[np.float32], margins: NDArray[np.float32]
) -> CompiledTrees | None:
    """Compile a model's trees; None if it has others than these can be, or if they do not give ONNX Runtime's bits."""
    trees = CompiledTrees.of(ensemble, feature_count=rows.shape[1]) if ensemble is not None else None
    if trees is None or trees.margins(rows).tobytes() != margins.tobytes():
        return None
    return trees


def _check_groups(
    path: Path, manifest: Manifest, spec: RankingSpec, golden: Golden, margins: NDArray[np.float32]
) -> None:
    count = sum(spec.groups)
    if count > len(golden.rows):
        raise BundleError(path, f"expected at least the {count} rows of the manifest's groups, got {len(golden.rows)}")
    first = len(golden.rows) - count
    try:
        compare_order(
            golden.margins[first:], margins[first:], spec.groups, rows=golden.rows[first:], trees=manifest.trees
        )
    except ParityError as error:
        raise BundleError(path, f"{MODEL_FILE} does not rank it as at export on this host: {error}") from error
