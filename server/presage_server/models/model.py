"""A model version that scores visitors."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
from numpy.typing import NDArray

from presage.v1 import prediction_pb2
from presage_export.bundle import Bundle
from presage_featurizer import FeatureSet

__all__ = ["Model"]


@dataclass(frozen=True, slots=True, eq=False, weakref_slot=True)
class Model:
    """One model version that is served; equal only to itself, so that calls are grouped by version, not by name."""

    name: str
    """What calls name it by: the folder that it lies in."""
    version: str
    """Which of that name it is: the folder in that one."""
    bundle: Bundle
    """Its verified bundle."""
    feature_set: FeatureSet
    """What its rows are made of."""
    encoded_name: bytes = field(init=False, repr=False)
    """Its name and version as the fields of an encoded ``presage.v1.Prediction``."""
    is_prior: bool = field(init=False)
    """Whether its scores are those from before a model was trained."""

    def __post_init__(self) -> None:
        encoded = prediction_pb2.Prediction(model=self.name, model_version=self.version).SerializeToString()
        object.__setattr__(self, "encoded_name", encoded)
        object.__setattr__(self, "is_prior", self.bundle.manifest.data.get("kind") == "prior")

    def predict(self, rows: NDArray[np.float32]) -> list[float]:
        """Score rows.

        Args:
            rows: Array of shape (rows, features of the set), float32, C-contiguous and finite.

        Returns:
            One score for each row: the model's margin through its calibration, or else its link, in double precision.
        """
        return self.bundle.scores(rows)
