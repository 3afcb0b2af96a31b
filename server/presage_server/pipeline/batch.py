"""A batch: the units of work that are processed together, with one read of the store and one run of each model."""

from __future__ import annotations

from collections.abc import Callable
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

    def split(self, server_of: Callable[[str], object]) -> list[Batch]:
        """Divide what must be read by the servers that have it, so that one that is slow holds up its own visitors alone."""
        found: dict[object, Batch] = {}

        def part(user_id: str) -> Batch:
            server = server_of(user_id)
            batch = found.get(server)
            if batch is None:
                batch = found[server] = Batch(self.stages.started)
                batch.stages.marks = list(self.stages.marks)
            return batch

        for score in self.scores:
            batch = part(score.user_id)
            batch.scores.append(score)
            score.stages = batch.stages
        for features in self.features:
            part(features.user_id).features.append(features)
        for rank in self.ranks:
            batch = part(rank.user_id)
            batch.ranks.append(rank)
            rank.stages = batch.stages
        for update in self.updates:
            batch = part(update.user_id)
            batch.updates.append(update)
            batch.events += update.jobs
        return list(found.values())


class Slices(Protocol):
    """A large request that is decoded and processed in parts, so that it does not hold up the calls beside it."""

    def add_to(self, batch: Batch, units: int) -> bool:
        """Decode the next part, of about this many units of work, into a batch; return whether anything is left.

        Raises:
            RpcError: The request breaks the contract; the call ends with this error.
        """
        ...
