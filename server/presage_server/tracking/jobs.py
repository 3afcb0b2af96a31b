"""Units of tracking work: one event, and the events of one visitor that are applied together."""

from __future__ import annotations

from collections.abc import Callable

from presage_featurizer import Event
from presage_server.call import Call
from presage_server.errors import RpcError
from presage_server.scoring.jobs import ScoreJob
from presage_server.store.snapshot import Change, Snapshot
from presage_server.telemetry.stages import Stages

__all__ = ["EventJob", "Update"]


class EventJob:
    """One event to apply. ``respond`` is called once, when the event has been stored or an error says why not."""

    __slots__ = ("call", "duplicate", "event", "place", "respond", "score", "stages")

    def __init__(
        self, call: Call, event: Event, stages: Stages, respond: Callable[[EventJob, RpcError | None], None]
    ) -> None:
        self.call = call
        self.event = event
        self.stages = stages
        self.respond = respond
        self.score: ScoreJob | None = None
        """The score that is wanted right after the event."""
        self.duplicate = False
        """Whether the event had been counted before."""
        self.place = 0
        """Where the result belongs in a call with many."""


class Update:
    """The events of one visitor that are applied together, in order, by one compare-and-set."""

    __slots__ = ("attempts", "cached", "change", "folded", "jobs", "snapshot", "user_id", "waiting")

    def __init__(self, user_id: str, snapshot: Snapshot | None = None) -> None:
        self.user_id = user_id
        self.jobs: list[EventJob] = []
        self.snapshot = snapshot
        """What the events are folded into; None: it must be read."""
        self.cached = snapshot is not None
        """Whether the snapshot is this process's memory of its own last write, not a read."""
        self.change: Change | None = None
        """What is being written."""
        self.folded = False
        """Whether the events have been folded into the snapshot, so that later ones must wait."""
        self.attempts = 0
        self.waiting: list[EventJob] = []
        """Events that arrived while the update was in flight; they follow it."""
