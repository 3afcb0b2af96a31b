"""A bundle: the directory of a model, verified before it serves.

model.onnx      features to raw margin
golden.npz      rows, with the margins of the source model and the scores of the bundle
manifest.json   description of the model, and the SHA-256 of the other files and of itself
explain.npz     optional: how much of the training data reached each node of its trees, for explanations
baseline.npz    optional: what live features and scores are compared with
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.calibration import to_scores
from presage_export.bundle.coverage import MAX_GOLDEN_VISITS, count_visits, measure_coverage
from presage_export.bundle.ensemble import Ensemble
from presage_export.bundle.explaining.explainer import Explainer, Explanation
from presage_export.bundle.explaining.reading import EXPLAIN_FILE, read_explainer
from presage_export.bundle.files import (
    GOLDEN_FILE,
    MANIFEST_FILE,
    MAX_FILE_BYTES,
    MODEL_FILE,
    OPTIONAL_FILES,
    decode_golden_file,
    decode_manifest_file,
    read_file,
    require_digest,
    require_size,
)
from presage_export.bundle.golden import Golden, compare_scores
from presage_export.bundle.manifest import FORMAT_VERSION, Manifest
from presage_export.bundle.onnx_graph import Graph
from presage_export.bundle.parity import compare_margins
from presage_export.bundle.session import OnnxModel
from presage_export.bundle.structure import check_graph
from presage_export.errors import BundleError, NotExplainableError, OnnxModelError, ParityError

__all__ = [
    "Bundle",
    "VerifiedModel",
    "load_model",
    "read_bundle",
    "read_graph",
    "run_model",
    "verify_bundle",
    "verify_model",
]


@dataclass(frozen=True, kw_only=True, slots=True)
class Bundle:
    """A verified model, ready to serve."""

    directory: Path
    """The directory that it was read from."""
    manifest: Manifest
    model: OnnxModel
    """Computes margins."""
    read_explainer: Callable[[], Explainer | NotExplainableError]
    """Returns what says why a margin is what it is; or why nothing can say that."""

    @property
    def explainer(self) -> Explainer | NotExplainableError:
        """What says why a margin is what it is; or why nothing can say that."""
        return self.read_explainer()

    def scores(self, rows: NDArray[np.float32]) -> list[float]:
        """Score rows.

        Args:
            rows: float32 ``[N, F]``, C-contiguous; NaN only if the model was trained with missing values.

        Returns:
            N scores: margins through the calibration, or through the link if there is none, in double precision.

        Raises:
            ValueError: The rows have another dtype or shape.
        """
        manifest = self.manifest
        return to_scores(manifest.link, manifest.calibration, self.model.margins(rows).tolist())

    def explain(self, row: NDArray[np.float32]) -> Explanation:
        """Explain the margin of one row, float32 ``[F]``.

        Raises:
            NotExplainableError: The bundle lacks what is needed, or the model is too large.
            ParityError: The contributions do not add up to the margin that is served: better none than those of another number.
            ValueError: The row has another dtype or shape.
        """
        if isinstance(self.explainer, NotExplainableError):
            raise NotExplainableError(str(self.explainer))
        explanation = self.explainer.explain(row)
        rows, link, trees = row[np.newaxis], self.manifest.link, self.manifest.trees
        compare_margins(np.array([explanation.margin]), self.model.margins(rows), rows=rows, link=link, trees=trees)
        return explanation


def read_bundle(directory: Path) -> Bundle:
    """Read and verify a bundle, <name>/<version>.

    The order of the checks makes sure that nothing is interpreted before it is known to be unaltered: the manifest, the presence
    and size of each file, its SHA-256, the operators and trees of the graph, whether it loads and has the right input and output,
    and last the golden rows, whose margins and scores ONNX Runtime has to reproduce on this host.

    Raises:
        BundleError: A check fails; the error names the file and the reason.
    """
    return verify_bundle(directory, lambda file_name: read_file(directory / file_name))


def verify_bundle(directory: Path, read: Callable[[str], bytes]) -> Bundle:
    """Verify a bundle whose files ``read`` returns by name; ``directory`` is named in errors."""
    path = directory / MANIFEST_FILE
    manifest = decode_manifest_file(path, read(MANIFEST_FILE))
    if manifest.ranking is not msgspec.UNSET:
        raise BundleError(path, "is that of a ranking model, which ranks items and does not score visitors")
    if manifest.files.keys() - OPTIONAL_FILES != {MODEL_FILE, GOLDEN_FILE}:
        raise BundleError(path, f"files: expected {GOLDEN_FILE} and {MODEL_FILE}, got {sorted(manifest.files)}")
    verified = verify_model(directory, manifest, read)
    explainer = read_explainer(
        directory / EXPLAIN_FILE,
        verified.optional.get(EXPLAIN_FILE),
        verified.graph,
        verified.ensemble,
        feature_count=len(manifest.feature_set.features),
        max_bytes=MAX_FILE_BYTES,
    )
    return Bundle(directory=directory, manifest=manifest, model=verified.model, read_explainer=lambda: explainer)


class VerifiedModel(NamedTuple):
    """The model and the golden rows of a bundle, once they were checked."""

    model: OnnxModel
    graph: Graph
    ensemble: Ensemble | None
    golden: Golden
    margins: NDArray[np.float32]
    """This host's margins of the golden rows."""
    optional: dict[str, bytes]
    """The contents of the further files, by name."""


def verify_model(directory: Path, manifest: Manifest, read: Callable[[str], bytes]) -> VerifiedModel:
    """Verify the model and the golden rows of a bundle.

    Args:
        directory: Named in errors.
        manifest: The decoded manifest.
        read: Returns the files by name.

    Raises:
        BundleError: A check fails.
    """
    manifest_path, model_path, golden_path = (directory / name for name in (MANIFEST_FILE, MODEL_FILE, GOLDEN_FILE))
    optional = sorted(manifest.files.keys() & OPTIONAL_FILES)
    if optional and manifest.format_version < FORMAT_VERSION:
        raise BundleError(manifest_path, f"files: expected no {optional[0]} in format {manifest.format_version}")
    model_bytes, golden_bytes = read(MODEL_FILE), read(GOLDEN_FILE)
    files = {model_path: model_bytes, golden_path: golden_bytes, **{directory / name: read(name) for name in optional}}
    for path, data in files.items():
        require_size(path, data)
    for path, data in files.items():
        require_digest(path, data, manifest)
    feature_count = len(manifest.feature_set.features)
    graph, ensemble = read_graph(model_path, model_bytes, feature_count=feature_count)
    model = load_model(model_path, model_bytes, feature_count=feature_count)
    trees = len(ensemble.roots) if ensemble else 0
    if trees != manifest.trees:
        raise BundleError(manifest_path, f"trees: expected {trees}, as in {MODEL_FILE}, got {manifest.trees}")
    golden = decode_golden_file(golden_path, golden_bytes, manifest)
    _check_coverage(golden_path, manifest, ensemble, golden)
    margins = run_model(model_path, model, golden.rows)
    _check_golden(golden_path, manifest, golden, margins)
    return VerifiedModel(model, graph, ensemble, golden, margins, {name: files[directory / name] for name in optional})


def read_graph(path: Path, model_bytes: bytes, *, feature_count: int) -> tuple[Graph, Ensemble | None]:
    """Decode and check a graph, and its trees if it has any; ``path`` is named in errors."""
    try:
        return check_graph(model_bytes, feature_count=feature_count)
    except ValueError as error:
        raise BundleError(path, str(error)) from error


def _check_coverage(path: Path, manifest: Manifest, ensemble: Ensemble | None, golden: Golden) -> None:
    if (visits := count_visits(ensemble, len(golden.rows))) > MAX_GOLDEN_VISITS:
        raise BundleError(
            path, f"its rows may visit {visits} nodes, expected at most {MAX_GOLDEN_VISITS}: give fewer rows"
        )
    if not manifest.is_sealed:  # it states none
        return
    actual, stated = measure_coverage(ensemble, golden.rows), manifest.golden
    if actual != stated:
        raise BundleError(
            path,
            f"its rows reach {actual.leaves:.1%} of the leaves and {actual.thresholds:.1%} of the thresholds, but {MANIFEST_FILE} "
            f"states {stated.leaves:.1%} and {stated.thresholds:.1%}",
        )


def load_model(path: Path, model_bytes: bytes, *, feature_count: int) -> OnnxModel:
    """Load a checked graph; ``path`` is named in errors."""
    try:
        model = OnnxModel(model_bytes)
    except OnnxModelError as error:
        raise BundleError(path, str(error)) from error
    if model.feature_count != feature_count:
        raise BundleError(path, f"takes {model.feature_count} features, but {MANIFEST_FILE} names {feature_count}")
    return model


def run_model(path: Path, model: OnnxModel, rows: NDArray[np.float32]) -> NDArray[np.float32]:
    """Compute margins of golden rows; ``path`` is named in errors."""
    try:
        margins = model.margins(rows)
    except ValueError as error:
        # The rows have the right shape: ONNX Runtime finds some faults of a graph only when it runs.
        raise BundleError(path, f"cannot be run: {error.__cause__}") from error
    if margins.shape != (len(rows),):
        raise BundleError(path, f"gives {len(margins)} margins for {len(rows)} rows")
    return margins


def _check_golden(path: Path, manifest: Manifest, golden: Golden, margins: NDArray[np.float32]) -> None:
    try:
        compare_margins(
            golden.margins,
            margins,
            rows=golden.rows,
            link=manifest.link,
            trees=manifest.trees,
            calibration=manifest.calibration,
        )
        compare_scores(golden, margins, manifest.link, manifest.calibration)
    except (ParityError, ValueError) as error:
        raise BundleError(path, f"{MODEL_FILE} does not reproduce it on this host: {error}") from error
