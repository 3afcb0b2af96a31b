"""How the requests' fuzzer compares what is stored before and after requests."""

from __future__ import annotations

import asyncio

import redis

from benchmarks.fuzzing.requests.stored import describe_changes, everything, settled, unix_millis
from benchmarks.rig.server_parts import state_key, stream_key
from support.running_server import serving

STREAM = stream_key(7)


async def test_what_is_logged_after_its_answer_is_waited_for(store, models):
    async with serving(redis_url=store.url, models=models) as served:
        with redis.Redis.from_url(store.url) as client:

            async def log_later():
                for _ in range(2):
                    await asyncio.sleep(0.6)
                    client.xadd(STREAM, {"vector": b"v"})

            logging = asyncio.create_task(log_later())
            found = await settled(client, served.address)
            assert logging.done()
            assert found == everything(client)
            assert client.xlen(STREAM) == 2


def test_each_key_that_has_changed_is_named_with_what_its_stream_has_got(store):
    gone, changed, new = (state_key(user) for user in ("gone", "changed", "new"))
    with redis.Redis.from_url(store.url) as client:
        client.mset({gone: b"1", changed: b"1"})
        client.xadd(STREAM, {"event": b"e"}, id="1-1")
        before, since = everything(client), unix_millis(client)
        client.delete(gone)
        client.mset({changed: b"2", new: b"1"})
        entry_id = client.xadd(STREAM, {"vector": b"v"}).decode()
        expected = {f"{gone} is gone", f"{changed} has changed", f"{new} is new", f"{STREAM} has got {entry_id} vector"}
        assert set(describe_changes(client, before, everything(client), since)) == expected
        assert describe_changes(client, before, before, since) == []
