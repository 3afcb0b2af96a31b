"""The events in the streams of a store."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import redis

from benchmarks.rig.server_parts import PARTITIONS, stream_key
from presage_featurizer import Event, decode_event
from presage_featurizer.event_log import EVENT_FIELD, NO_PRIOR_STATE_FIELD

__all__ = ["read_events"]

_STREAMS_PER_ROUND_TRIP = 64
_EVENT, _FRESH = EVENT_FIELD.encode(), NO_PRIOR_STATE_FIELD.encode()


def read_events(store: redis.Redis) -> Iterator[tuple[Event, bool]]:
    """Yield the events of all partitions, each stream in its order, and whether an event had no prior state."""
    for first in range(0, PARTITIONS, _STREAMS_PER_ROUND_TRIP):
        pipeline: Any = store.pipeline(transaction=False)
        for partition in range(first, first + _STREAMS_PER_ROUND_TRIP):
            pipeline.xrange(stream_key(partition))
        for entries in pipeline.execute():
            for _, fields in entries:
                if _EVENT in fields:  # others are vectors and lists
                    yield decode_event(fields[_EVENT]), _FRESH in fields
