"""Units of tracking work: one event, and the events of one visitor that are applied together."""

from __future__ import annotations

from collections.abc import Callable

import msgspec

from presage_featurizer import Event
from presage_server.call import Call
from presage_server.errors import RpcError
from presage_server.scoring.jobs import ScoreJob
from presage_server.store.snapshot import Change, Snapshot
from presage_server.telemetry.stages import Stages

__all__ = ["EventJob", "Update"]


class EventJob(msgspec.Struct, eq=False):
    """One event to apply. ``respond`` is called once, when the event has been stored or an error says why not."""

    call: Call
    event: Event
    stages: Stages
    respond: Callable[[EventJob, RpcError | None], None]
    score: ScoreJob | None = None
    """The score that is wanted right after the event."""
    duplicate: bool = False
    """Whether the event had been counted before."""
    place: int = 0
    """Where the result belongs in a call with many."""


class Update(msgspec.Struct, eq=False):
    """The events of one visitor that are applied together, in order, by one compare-and-set."""

    user_id: str
    snapshot: Snapshot | None = None
    """What the events are folded into; None: it must be read."""
    cached: bool = False
    """Whether the snapshot is this process's memory of its own last write, not a read."""
    jobs: list[EventJob] = []
    folded: bool = False
    """Whether the events have been folded into the snapshot, so that later ones must wait."""
    change: Change | None = None
    """What is being written."""
    attempts: int = 0
    waiting: list[EventJob] = []
    """Events that arrived while the update was in flight; they follow it."""
