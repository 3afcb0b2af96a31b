"""Units of scoring work: one visitor, one visitor's features, or some of a caller's own vectors."""

from __future__ import annotations

from collections.abc import Callable

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CoreState, FeatureSet
from presage_server.call import Call
from presage_server.errors import RpcError
from presage_server.models.model import Model
from presage_server.models.served import Route
from presage_server.telemetry.stages import Stages

__all__ = ["FeaturesJob", "ScoreJob", "Vector", "Vectors", "VectorsJob"]

Vector = NDArray[np.float32]
"""One row of features."""

Vectors = NDArray[np.float32]
"""Rows of features, C-contiguous."""


# Structs rather than classes with an ``__init__``: they are made in a quarter of the time, one for each visitor.
class ScoreJob(msgspec.Struct, eq=False):
    """One visitor to score. What the pipeline finds out is filled in before ``respond`` is called."""

    call: Call
    user_id: str
    session_id: str
    """Empty: the visitor's most recent session that is not idle."""
    model: Model
    """The model version that the call was routed to."""
    now_unix_micros: int
    """The moment to score at."""
    stages: Stages
    respond: Callable[[ScoreJob, RpcError | None], None]
    """Called once, when the score is there or an error says why there is none."""
    route: Route[Model] | None = None
    """What else is known of the version that was chosen; None where none was, as before the first call."""
    include_features: bool = False
    include_timings: bool = False
    place: int = 0
    """Where the score belongs in a call with many."""
    state: CoreState | None = None
    """What is remembered of the visitor; None without history."""
    degraded: bool = False
    """Whether the history could not be read, so that the score is that of a visitor without one."""
    cold_start: bool = True
    """Whether the visitor has no recorded history."""
    no_session: bool = True
    """Whether no session is open at that moment."""
    score: float = 0.0
    error: RpcError | None = None
    """Why there is no score."""
    rows: Vectors | None = None
    """The vectors that were scored together with this one."""
    row: int = 0
    """Which of them is this visitor's."""

    @property
    def vector(self) -> Vector:
        """The features that were scored."""
        assert self.rows is not None
        row: Vector = self.rows[self.row]
        return row


class FeaturesJob(msgspec.Struct, eq=False):
    """One visitor whose features are wanted."""

    call: Call
    user_id: str
    session_id: str
    feature_set: FeatureSet
    now_unix_micros: int
    respond: Callable[[FeaturesJob, Vector], None]
    cold_start: bool = True
    """Whether the visitor has no recorded history."""
    no_session: bool = True
    """Whether no session is open at that moment."""


class VectorsJob(msgspec.Struct, eq=False):
    """Some of a caller's own vectors."""

    call: Call
    model: Model
    rows: Vectors
    respond: Callable[[VectorsJob, list[float]], None]
