"""The event log that servers leave in a store: its streams read whole, in the order in which the events were applied."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from redis import Redis

from presage_featurizer import Event, decode_event
from presage_featurizer.event_log import PARTITIONS, stream_key

_STREAMS_PER_ROUND_TRIP = 64


@dataclass(frozen=True, slots=True)
class Logged:
    """One entry of the log."""

    event: Event
    fresh: bool
    """Whether the visitor had no readable history before it."""


def read_event_log(store: Redis) -> Iterator[Logged]:
    """Read all streams, one after another: a visitor's events are all in one, so each visitor's are in order."""
    for first in range(0, PARTITIONS, _STREAMS_PER_ROUND_TRIP):
        pipeline = store.pipeline(transaction=False)
        for partition in range(first, first + _STREAMS_PER_ROUND_TRIP):
            pipeline.xrange(stream_key(partition))
        for entries in pipeline.execute():
            for _, fields in entries:
                if b"event" in fields:  # the others are served vectors
                    yield Logged(decode_event(fields[b"event"]), fresh=b"fresh" in fields)
