"""The other visitors of the demo shop, in a process of their own: ``python -m presage_console.shop.others HOST:PORT SECONDS``.

Sends the older visits of three weeks as fast as the server takes them, prints one line, and then the newer ones, spread over some
seconds, with a score after each event. Ends with the last one.
"""

from __future__ import annotations

import asyncio
import sys
import time
from collections.abc import Sequence
from typing import Final

from presage_client import AsyncClient, ClientOptions, PresageError
from presage_console.shop.history import simulate_visits
from presage_console.shop.products import read_shelf
from presage_featurizer import Event
from presage_training.traffic.lanes import lane_of
from presage_training.traffic.sending import client_event, send_log

__all__ = ["main"]

_VISITORS: Final = 8_000
_SEED: Final = 11
_PAST_SHARE: Final = 0.25
_LANES: Final = 4
_TIMEOUT_MS: Final = 10_000.0


def main(target: str, seconds: float) -> None:
    """Send all visits."""
    visits = simulate_visits(read_shelf(), until_unix_micros=time.time_ns() // 1_000, visitors=_VISITORS, seed=_SEED)
    past = round(len(visits) * _PAST_SHARE)
    asyncio.run(_send(target, visits[:past], visits[past:], seconds))


async def _send(target: str, past: Sequence[Event], later: Sequence[Event], seconds: float) -> None:
    await send_log(past, target, lanes=_LANES, timeout_ms=_TIMEOUT_MS, on_progress=lambda _: None)
    print(f"sent {len(past)} events", flush=True)  # noqa: T201 - what the playground waits for
    lanes: list[list[tuple[float, Event]]] = [[] for _ in range(_LANES)]
    for place, event in enumerate(later):
        lanes[lane_of(event.user_id, _LANES)].append((seconds * place / len(later), event))
    started = time.monotonic()
    async with AsyncClient(target, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:

        async def send(lane: Sequence[tuple[float, Event]]) -> None:
            for due, event in lane:
                await asyncio.sleep(max(0.0, due - (time.monotonic() - started)))
                try:
                    await client.track(client_event(event), score=True)
                except PresageError as error:
                    print(f"{event.event_id}: {error}", file=sys.stderr, flush=True)  # noqa: T201 - the playground's log

        await asyncio.gather(*map(send, lanes))


if __name__ == "__main__":
    main(sys.argv[1], float(sys.argv[2]))
