"""Checks that the C++ server folds events as Presage does: stored states and event logs have to be equal to the byte."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack
from random import Random
from typing import Any

import grpc
import redis

from benchmarks.rig.server_parts import REVISION_BYTES, partition_of, state_key, stream_key
from benchmarks.rig.visitors import user_id
from presage.v1 import event_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_featurizer import MICROS

__all__ = ["compare_states", "random_events"]

_CALL_SECONDS = 10.0
_VISITORS, _NEW_VISITORS = 60, 20
_EVENTS = 4_000
_REPEATED_SHARE = 0.03
_FUTURE_MICROS = 60 * MICROS
_GAPS_SECONDS = (0, 1, 90, 1_000, 2_000, 20_000, 100_000, 1_000_000, -1, -3_000, -200_000)
"""Between two events of a visitor; the largest ones end every session, and negative ones make an event late."""
_ITEM_COUNTS = (0, 1, 1, 1, 1, 2, 2, 3, 5, 20, 130, 600)
_TYPES = [number for number in event_pb2.EventType.values() if number]
_FREQUENT = [event_pb2.EVENT_TYPE_VIEW_ITEM, event_pb2.EVENT_TYPE_ADD_TO_CART, event_pb2.EVENT_TYPE_PURCHASE]


def random_events(visitors: int, now_unix_micros: int, *, seed: int = 1) -> Iterator[event_pb2.Event]:
    """Make events of all types and shapes, also late and repeated ones, of visitors in a store and of new ones.

    Args:
        visitors: How many visitors the store holds.
        now_unix_micros: No event is much later than this.
        seed: Events of one seed are always the same.
    """
    random = Random(seed)
    ids = [user_id(number) for number in range(min(visitors, _VISITORS))]
    ids += [f"new-{number}-{'ü' * number}" for number in range(_NEW_VISITORS)]
    event_ids: dict[str, str] = {}
    clocks = dict.fromkeys(ids, now_unix_micros - 20 * 86_400 * MICROS)
    for number in range(_EVENTS):
        share = random.random()
        visitor = ids[-1] if share < 0.1 else random.choice(ids[-40:] if share < 0.7 else ids)
        time = clocks[visitor] + random.choice(_GAPS_SECONDS) * MICROS + random.randrange(MICROS)
        time = min(time, now_unix_micros + _FUTURE_MICROS)
        clocks[visitor] = max(clocks[visitor], time)
        if visitor not in event_ids or random.random() > _REPEATED_SHARE:
            event_ids[visitor] = f"{visitor}-{number}-{'x' * random.choice((0, 30, 150))}"
        event = event_pb2.Event(
            event_id=event_ids[visitor],
            type=random.choice(_FREQUENT if random.random() < 0.4 else _TYPES),
            user_id=visitor,
            session_id=random.choice(("", "", "", "tab-1", "tab-2", "tab-3", "tab-4", "tab-5")),
            event_time_unix_micros=time,
            items=[_item(random) for _ in range(random.choice(_ITEM_COUNTS))],
            country=random.choice(("", "", "GB", "DE")),
            device=random.choice(event_pb2.Device.values()),
            order_id=random.choice(("", f"order-{number}", f"order-{number % 4}")),
            currency=random.choice(("", "EUR")),
        )
        if random.random() < 0.3:
            event.value = random.choice((0.0, 12.5, random.uniform(0, 1e6), 1e12))
        yield event


def compare_states(servers: Mapping[str, str], visitors: int, now_unix_micros: int) -> int:
    """Send the same events to servers on different stores that were filled alike, and compare what is stored then.

    Args:
        servers: HOST:PORT by the URL of the store; all are compared with the first one.
        visitors: How many visitors each store holds.
        now_unix_micros: When ``fill_store`` filled them.

    Returns:
        How many events were sent to each.

    Raises:
        RuntimeError: A response, a state or a log differs; the message says which.
    """
    events = list(random_events(visitors, now_unix_micros))
    with ExitStack() as stack:
        channels = [stack.enter_context(grpc.insecure_channel(address)) for address in servers.values()]
        stubs = [scoring_service_pb2_grpc.ScoringServiceStub(channel) for channel in channels]
        for event in events:
            request = scoring_service_pb2.TrackEventRequest(event=event)
            first, *others = [_track(stub, request) for stub in stubs]
            if any(other != first for other in others):
                raise RuntimeError(f"event {event.event_id}: {first}, Presage has {', '.join(others)}")
        stores = [stack.enter_context(redis.Redis.from_url(url)) for url in servers]
        names = sorted({event.user_id for event in events})
        first, *others = [_stored(store, names) for store in stores]
        for other in others:
            for key, value in first.items():
                if other[key] != value:
                    raise RuntimeError(f"{key}: {value!r}, Presage has {other[key]!r}")
    return len(events)


def _track(stub: Any, request: scoring_service_pb2.TrackEventRequest) -> str:
    """Send an event; returns ``counted`` or ``duplicate``, or the name of the status that it was rejected with."""
    try:
        response = stub.TrackEvent(request, timeout=_CALL_SECONDS)
    except grpc.RpcError as error:
        return str(error.code().name)
    return "duplicate" if response.duplicate else "counted"


def _stored(store: redis.Redis, names: list[str]) -> dict[str, Any]:
    """Read visitors' states without their revisions, and the logs of their partitions without the entries' ids."""
    found: dict[str, Any] = {}
    for name in names:
        key, log = state_key(name), stream_key(partition_of(name))
        found[key] = (store.get(key) or b"")[REVISION_BYTES:]
        found[log] = [fields for _, fields in store.xrange(log)]
    return found


def _item(random: Random) -> event_pb2.Item:
    number = random.randrange(400)
    item = event_pb2.Item(
        item_id=f"product-{number}{'-' * (number % 40)}",
        category=random.choice(("", f"category-{number % 45}", "Schöne Schuhe für den nächsten Frühling")),
        brand=random.choice(("", f"brand-{number % 7}")),
        price=random.choice((0.0, 19.99, random.uniform(0, 1e4), 1e9 if random.random() < 0.02 else 1.0)),
    )
    if random.random() < 0.5:
        item.quantity = random.choice((1, 2, 7, 1_000_000 if random.random() < 0.05 else 3))
    return item
