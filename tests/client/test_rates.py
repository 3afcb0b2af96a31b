"""A client whose token makes too many calls, on a real server, with each transport."""

from __future__ import annotations

from time import monotonic

import pytest

from presage_client import AsyncClient, AsyncEventQueue, ClientOptions, Event, EventType, OverloadedError, QueueOptions
from support.running_server import serving
from support.tokens import secret_of, write_tokens


@pytest.fixture
async def limited(each_transport, store, models, tmp_path):
    """A server with a token for two calls a second, one after the other; and options with that token."""
    path = tmp_path / "tokens.json"
    write_tokens(path, slow=("score track", 2.0, 1))
    async with serving(redis_url=store.url, models=models, tokens_file=str(path)) as server:
        yield server.address, ClientOptions(timeout_ms=20_000, token=secret_of("slow"))


async def test_calls_wait_for_as_long_as_the_server_says(limited):
    address, options = limited
    began = monotonic()
    async with AsyncClient(address, options=options) as client:
        for _ in range(3):
            await client.score("u-1")
    assert monotonic() - began > 0.9  # its own waits are 50 ms at most, and it makes three attempts


async def test_a_call_that_cannot_wait_fails_at_once_and_says_when_the_next_is_taken(limited):
    address, options = limited
    async with AsyncClient(address, options=options) as client:
        await client.score("u-1")
        with pytest.raises(OverloadedError, match="2 calls per second") as caught:
            await client.score("u-1", timeout_ms=150)
    assert 100 < caught.value.retry_after_ms <= 500


async def test_a_queue_keeps_to_the_rate_and_loses_nothing(limited):
    address, options = limited
    quick = QueueOptions(batch_events=1, linger_ms=1, initial_backoff_ms=1, timeout_ms=300)
    async with AsyncClient(address, options=options) as client:
        queue = AsyncEventQueue(client, options=quick)
        for _ in range(3):
            await queue.put(Event(type=EventType.LOGIN, user_id="u-1"))
        assert await queue.close(30)
    assert (queue.stats.counted, queue.stats.dropped, queue.stats.rejected) == (3, 0, 0)
