"""A fitted model of any kind: margins, scores, and the bundle that serves them."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
from numpy.typing import NDArray

from presage_export.bundle.calibration import Calibration, to_scores
from presage_export.bundle.link import Link
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.bundle.parity import ParityReport
from presage_export.exporter import export_model
from presage_export.reading.source_model import source_margins
from presage_featurizer import FeatureSet
from presage_training.models.losses import Task
from presage_training.models.search import Candidate

__all__ = ["FittedModel", "export_fitted"]

_OBJECTIVES: Final[dict[Task, str]] = {
    "classification": "binary",
    "regression": "regression",
    "ranking": "lambdarank",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class FittedModel:
    """A model, its search, and its calibration."""

    kind: str
    """One of ``KINDS``."""
    task: Task
    """The sort of target."""
    trained: Any
    """The training library's own object, or a ``WeightedSum`` or an ``AdditiveModel``."""
    link: Link
    """The meaning of its margins."""
    calibration: Calibration | None
    """The calibration that replaces the link in scores, fitted on the tune rows."""
    parameters: Mapping[str, Any]
    """The result of the search; for a stack or a blend, its members' weights and intercept."""
    candidates: tuple[Candidate, ...]
    """All candidates of the search; empty where nothing was searched."""
    validated: NDArray[np.intp]
    """Indices of the training rows that were validated on."""
    validated_margins: NDArray[np.float64]
    """The margins for them, by models of earlier rows."""

    def margins(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute raw margins, float64 ``[N]``, of features, float32 ``[N, F]``, by the training library's own code."""
        return source_margins(self.trained, features)

    def predict(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute a server's scores, float64 ``[N]``: calibrated probabilities, numbers, or margins to rank by."""
        return np.array(to_scores(self.link, self.calibration, self.margins(features).tolist()))

    def predict_proba(self, features: NDArray[np.float32]) -> NDArray[np.float64]:
        """Compute the probability of a positive, float64 ``[N]``.

        Raises:
            ValueError: This model does not classify.
        """
        if self.task != "classification":
            raise ValueError(f"{self.kind}: expected a model that classifies, got one for {self.task}; ask for predict")
        return self.predict(features)


def export_fitted(
    fitted: FittedModel,
    directory: Path,
    *,
    rows: NDArray[np.float32],
    feature_set: FeatureSet,
    metrics: Mapping[str, float] | None = None,
    data: Mapping[str, str | int | float] | None = None,
    baseline: Mapping[str, bytes] | None = None,
    overwrite: bool = False,
) -> ParityReport:
    """Write a fitted model as a bundle, <name>/<version>; see ``export_model``.

    Raises:
        ExportError: The model cannot be exported faithfully, or the folder is there already or has a name that no model can have.
        OSError: The folder cannot be written.
    """
    return export_model(
        fitted.trained,
        directory,
        rows=rows,
        feature_set=FeatureSetSpec(**feature_set.definition),
        objective=_OBJECTIVES[fitted.task],
        calibration=fitted.calibration,
        metrics=metrics,
        data={"kind": fitted.kind, **(data or {})},
        optional_files=baseline,
        overwrite=overwrite,
    )
