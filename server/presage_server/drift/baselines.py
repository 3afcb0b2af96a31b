"""The baselines of served versions, read from their bundles."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from pathlib import Path

from presage_export.bundle import BundleError, Manifest, read_manifest, read_optional_file
from presage_export.drift import BASELINE_FILE, SCORE, Baseline, unpack_baseline
from presage_server.errors import ModelError
from presage_server.models.model import Model

__all__ = ["VersionBaseline", "find_baseline", "read_baseline"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class VersionBaseline:
    """The baseline of one version of a model."""

    model: str
    version: str
    digest: str
    """The beginning of the file's SHA-256: counts in other bins must not be added to these."""
    names: tuple[str, ...]
    """The columns: the features, and the score."""
    time_zone: str
    """The shop's."""
    baseline: Baseline


def read_baseline(model: Model) -> VersionBaseline | None:
    """Read the baseline of a version that is served; without one, the log says so, and the version is not counted."""
    try:
        found = _read(model.bundle.directory, model.bundle.manifest)
    except BundleError as error:
        _logger.error(  # noqa: TRY400 - its text says all
            "model %s version %s: drift is not measured: %s", model.name, model.version, error
        )
        return None
    if found is None:
        _logger.info(  # as of every bundle of an older release
            "model %s version %s: drift is not measured: its bundle has no %s, train the model again",
            *(model.name, model.version, BASELINE_FILE),
        )
    return found


def find_baseline(directory: Path) -> VersionBaseline | None:
    """Read the baseline of a bundle, <name>/<version>, without its model; None if it has none.

    Raises:
        ModelError: The manifest or the baseline cannot be read, or was altered.
    """
    try:
        return _read(directory, read_manifest(directory))
    except BundleError as error:
        raise ModelError(str(error)) from error


def _read(directory: Path, manifest: Manifest) -> VersionBaseline | None:
    data = read_optional_file(directory, manifest, BASELINE_FILE)
    if data is None:
        return None
    features = manifest.feature_set
    try:
        baseline = unpack_baseline(data, columns=len(features.features) + 1)
    except ValueError as error:
        raise BundleError(directory / BASELINE_FILE, str(error)) from error
    return VersionBaseline(
        model=manifest.name,
        version=manifest.version,
        digest=manifest.files[BASELINE_FILE][:16],
        names=(*features.features, SCORE),
        time_zone=features.time_zone,
        baseline=baseline,
    )
