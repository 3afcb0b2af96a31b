"""Units of scoring work: one visitor, one visitor's features, or some of a caller's own vectors."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CoreState, FeatureSet
from presage_server.call import Call
from presage_server.errors import RpcError
from presage_server.models.loading import Model
from presage_server.telemetry.stages import Stages

__all__ = ["FeaturesJob", "ScoreJob", "Vector", "Vectors", "VectorsJob"]

Vector = NDArray[np.float32]
"""One row of features."""

Vectors = NDArray[np.float32]
"""Rows of features, C-contiguous."""


class ScoreJob:
    """One visitor to score. What the pipeline finds out is filled in before ``respond`` is called."""

    __slots__ = (
        "call",
        "cold_start",
        "degraded",
        "error",
        "include_features",
        "include_timings",
        "model",
        "now_unix_micros",
        "place",
        "respond",
        "row",
        "rows",
        "score",
        "session_id",
        "stages",
        "state",
        "user_id",
    )

    def __init__(  # noqa: PLR0917 - by position, which is the fastest
        self,
        call: Call,
        user_id: str,
        session_id: str,
        model: Model,
        now_unix_micros: int,
        stages: Stages,
        respond: Callable[[ScoreJob, RpcError | None], None],
    ) -> None:
        self.call = call
        self.user_id = user_id
        self.session_id = session_id
        """Empty: the visitor's most recent session that is not idle."""
        self.model = model
        """The model version that the call was routed to."""
        self.now_unix_micros = now_unix_micros
        """The moment to score at."""
        self.stages = stages
        self.respond = respond
        """Called once, when the score is there or an error says why there is none."""
        self.include_features = False
        self.include_timings = False
        self.place = 0
        """Where the score belongs in a call with many."""
        self.state: CoreState | None = None
        """What is remembered of the visitor; None without history."""
        self.degraded = False
        """Whether the history could not be read, so that the score is that of a visitor without one."""
        self.cold_start = True
        """Whether the visitor has no recorded history."""
        self.score = 0.0
        self.error: RpcError | None = None
        """Why there is no score."""
        self.rows: Vectors | None = None
        """The vectors that were scored together with this one."""
        self.row = 0
        """Which of them is this visitor's."""

    @property
    def vector(self) -> Vector:
        """The features that were scored."""
        assert self.rows is not None
        row: Vector = self.rows[self.row]
        return row


class FeaturesJob:
    """One visitor whose features are wanted."""

    __slots__ = ("call", "feature_set", "now_unix_micros", "respond", "session_id", "user_id")

    def __init__(  # noqa: PLR0917 - by position, which is the fastest
        self,
        call: Call,
        user_id: str,
        session_id: str,
        feature_set: FeatureSet,
        now_unix_micros: int,
        respond: Callable[[FeaturesJob, Vector], None],
    ) -> None:
        self.call = call
        self.user_id = user_id
        self.session_id = session_id
        self.feature_set = feature_set
        self.now_unix_micros = now_unix_micros
        self.respond = respond


class VectorsJob:
    """Some of a caller's own vectors."""

    __slots__ = ("call", "model", "respond", "rows")

    def __init__(
        self, call: Call, model: Model, rows: Vectors, respond: Callable[[VectorsJob, list[float]], None]
    ) -> None:
        self.call = call
        self.model = model
        self.rows = rows
        self.respond = respond
