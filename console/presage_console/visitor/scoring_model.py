"""The model that scores a visitor's moments: its features, and its bundle where the console sees the models' folder."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_client.models import ModelDetails
from presage_console.visitor.waterfall import Part, ToScore, Waterfall, waterfall
from presage_export.bundle import (
    Bundle,
    BundleError,
    NotExplainableError,
    manifest_digest,
    open_verified_bundle,
    read_manifest,
)
from presage_export.bundle.calibration import to_scores
from presage_export.bundle.manifest import Manifest
from presage_featurizer import FEATURE_SETS, FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.wording import describe_value

__all__ = ["ScoringModel", "find_model"]

_MAX_BUNDLES = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class ScoringModel:
    """One version of a model, as far as the console can use it."""

    name: str
    version: str
    feature_set: FeatureSet | None
    """None if its features cannot be computed here; ``problem`` says why."""
    folder: Path | None
    """Its bundle; None without the models' folder."""
    manifest: Manifest | None
    problem: str = ""

    @property
    def to_score(self) -> ToScore | None:
        """Return what turns its margins into scores; None without its bundle."""
        manifest = self.manifest
        return None if manifest is None else lambda margin: to_scores(manifest.link, manifest.calibration, [margin])[0]

    def explain(self, row: NDArray[np.float32]) -> Waterfall | str:
        """Explain the score of a vector with the bundle, in some milliseconds; or say why it cannot be.

        Args:
            row: float32 ``[F]``.
        """
        if self.folder is None or self.manifest is None or self.feature_set is None:
            return (
                "Scores of the past are explained with the model's own bundle: start the console with the folder of the "
                "models (--models) that the servers have."
            )
        try:
            bundle = _open(self.folder, manifest_digest(self.manifest))
            found = bundle.explain(row)
        except (BundleError, NotExplainableError) as error:
            return f"This score cannot be explained: {error}"
        values = zip(self.feature_set.features, row.tolist(), found.contributions.tolist(), strict=True)
        return waterfall(
            [Part(feature=name, words=describe_value(self.feature_set, name, value), contribution=added)
             for name, value, added in values],
            base_margin=found.base_margin,
            margin=found.margin,
            score=bundle.scores(row[np.newaxis])[0],
            to_score=self.to_score,
        )  # fmt: skip


def find_model(details: ModelDetails, models: Path | None, custom: CustomFeatures | None) -> ScoringModel:
    """Find what is needed to compute and explain the scores of a version that a server serves.

    Args:
        details: What the server says of it.
        models: The folder of the models that the servers have, NAME/VERSION; None if the console does not see it.
        custom: The project's own features.
    """
    folder, manifest, problem = None, None, ""
    if models is not None:
        folder = models / details.model / details.version
        try:
            manifest = read_manifest(folder)
            if manifest.feature_set.fingerprint != details.fingerprint:
                raise BundleError(folder, "has other features than the version that the server serves")  # noqa: TRY301
            restored = FeatureSet.restore(manifest.feature_set, custom)
            return ScoringModel(
                name=details.model, version=details.version, feature_set=restored, folder=folder, manifest=manifest
            )
        except (BundleError, FeatureSetError) as error:
            folder, manifest, problem = None, None, str(error)
    known: Mapping[str, Any] = {each.fingerprint: each for each in FEATURE_SETS.values()}
    if custom is not None:
        known = {**known, custom.feature_set.fingerprint: custom.feature_set}
    feature_set = known.get(details.fingerprint)
    if feature_set is None and not problem:
        problem = (
            f"The features of {details.model} {details.version} are neither of this release nor of a project: start the console "
            "with the folder of the models (--models), and with the project (--project) if the servers have one."
        )
    return ScoringModel(
        name=details.model, version=details.version, feature_set=feature_set, folder=folder, manifest=manifest, problem=problem
    )  # fmt: skip


@lru_cache(_MAX_BUNDLES)
def _open(folder: Path, digest: str) -> Bundle:
    bundle = open_verified_bundle(folder, digest)
    assert isinstance(bundle, Bundle)
    return bundle
