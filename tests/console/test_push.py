from __future__ import annotations

import asyncio

import pytest
from starlette.requests import Request

from presage_console import push
from presage_console.errors import RequestError
from presage_console.push import Hub
from support.consoles import NOWHERE, console_of


async def take(fragments, count):
    return [await anext(fragments) for _ in range(count)]


class Counter:
    """Says how often it was called."""

    def __init__(self):
        self.calls = 0

    async def __call__(self):
        self.calls += 1
        return f"fragment {self.calls}"


async def test_many_readers_share_one_source():
    hub, produce = Hub(), Counter()
    readers = [hub.follow("live", produce, 0.001) for _ in range(5)]
    got = await asyncio.gather(*(take(reader, 3) for reader in readers))
    assert produce.calls <= 6
    assert all(one[0] != one[-1] for one in got)
    for reader in readers:
        await reader.aclose()
    assert hub.keys == []
    calls = produce.calls
    await asyncio.sleep(0.01)
    assert produce.calls == calls


async def test_a_slow_reader_gets_the_newest_fragment():
    hub, produce = Hub(), Counter()
    reader = hub.follow("live", produce, 0.0)
    assert await anext(reader) == "fragment 1"
    await asyncio.sleep(0.02)
    assert int((await anext(reader)).removeprefix("fragment ")) > 2
    await reader.aclose()


async def test_one_reader_that_goes_does_not_end_the_others():
    hub, produce = Hub(), Counter()
    first, second = (hub.follow("live", produce, 0.0) for _ in range(2))
    await asyncio.gather(anext(first), anext(second))
    await first.aclose()
    assert len(await take(second, 3)) == 3
    await second.aclose()
    assert hub.keys == []


async def test_stopping_ends_all_streams_and_those_that_begin_later():
    hub, produce = Hub(), Counter()
    reader = hub.follow("live", produce, 60.0)
    await anext(reader)
    waiting = asyncio.create_task(anext(reader, "ended"))
    await asyncio.sleep(0)
    hub.stop()
    assert await waiting == "ended"
    assert [fragment async for fragment in hub.follow("live", produce, 60.0)] == []
    assert hub.keys == []


async def test_what_is_asked_for_beside_the_path_makes_no_further_source(monkeypatch):
    monkeypatch.setattr(push, "MOST_STREAMS", 3)
    produce = Counter()

    async def endpoint(request):
        return push.stream(request, produce, every_seconds=60.0)

    async with console_of(NOWHERE) as console:
        app, hub = console.client._transport.app, console.console.hub
        responses = []
        for number in range(3):
            scope = {"type": "http", "method": "GET", "path": "/pushed", "query_string": f"x={number}".encode()}
            scope |= {"headers": [(b"host", b"localhost")], "app": app, "server": ("localhost", 80), "scheme": "http"}
            responses.append(await endpoint(Request(scope)))
            await anext(responses[-1].body_iterator)
        assert hub.keys == ["/pushed"]
        assert produce.calls == 1
        with pytest.raises(RequestError, match="3 pages are kept up to date already"):
            await endpoint(Request(scope))
        for response in responses:
            await response.body_iterator.aclose()
