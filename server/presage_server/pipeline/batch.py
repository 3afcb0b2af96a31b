"""A batch: the units of work that are processed together, with one read of the store and one run of each model."""

from __future__ import annotations

from typing import Protocol

from presage_server.ranking.jobs import RankJob, SimilarJob
from presage_server.scoring.jobs import FeaturesJob, ScoreJob, VectorsJob
from presage_server.telemetry.stages import Stages
from presage_server.tracking.jobs import EventJob, Update

__all__ = ["Batch", "Slices"]


class Batch:
    """What the calls of a batch want done. Decoders append to the lists; the pipeline empties them."""

    __slots__ = ("events", "features", "ranks", "scores", "similar", "stages", "updates", "vectors")

    def __init__(self, started: float) -> None:
        self.stages = Stages(started)
        self.scores: list[ScoreJob] = []
        self.features: list[FeaturesJob] = []
        self.vectors: list[VectorsJob] = []
        self.ranks: list[RankJob] = []
        self.similar: list[SimilarJob] = []
        self.events: list[EventJob] = []
        self.updates: list[Update] = []
        """The events by visitor, where the visitor must be read."""

    @property
    def has_small(self) -> bool:
        """Whether calls other than rankings wait for its read."""
        return bool(self.scores or self.features or self.updates)


class Slices(Protocol):
    """A large request that is decoded and processed in parts, so that it does not hold up the calls beside it."""

    def add_to(self, batch: Batch, units: int) -> bool:
        """Decode the next part, of about this many units of work, into a batch; return whether anything is left.

        Raises:
            RpcError: The request breaks the contract; the call ends with this error.
        """
        ...
