"""The primary that Sentinels name, and the one that they name when it has failed."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack, closing
from dataclasses import replace

import pytest

from benchmarks.rig.local_cluster import free_ports, wait_until
from benchmarks.rig.local_sentinels import local_sentinels
from presage_server.errors import StoreStartError
from presage_server.eventlog.connecting import connect_clients
from presage_server.settings import Settings
from presage_server.store.checking import connect
from presage_server.store.connecting import Connector
from presage_server.store.finding import SentinelFinder
from presage_server.store.found_connections import follow_async
from presage_server.store.link import Link
from presage_server.store.opening import open_store
from presage_server.store.resp import encode
from presage_server.store.urls import StoreUrl
from support.stores import GENEROUS_SECONDS, ask, ask_all, run_until


def link_to(found):
    _, address = connect(found.url)
    link = Link(Connector(replace(address, find=SentinelFinder(found))))
    link.open(GENEROUS_SECONDS)
    return closing(link)


@pytest.mark.slow
async def test_the_replica_that_takes_over_is_found_by_every_kind_of_client():
    with local_sentinels() as sentinels:
        found = StoreUrl.parse(sentinels.url)
        redis, _ = connect(found.url)
        rare = follow_async(redis, SentinelFinder(found))
        clients, _ = connect_clients(sentinels.url, client_name="test", timeout_seconds=GENEROUS_SECONDS)
        with link_to(found) as link, clients:
            failed = sentinels.primary
            assert ask(link, "SET", "before", "kept") == b"OK"
            await rare.set("rare", "kept")
            wait_until(lambda: sentinels.clients[failed].wait(1, 1_000) == 1)

            sentinels.kill(failed)
            run_until(link, lambda: ask_all(link, encode("GET", "before")) == [b"kept"])
            assert sentinels.primary != failed
            assert clients.of_key("anything").get("rare") == b"kept"
            assert clients.now_millis() > 0
            assert await rare.get("before") == b"kept"
        await rare.aclose(close_connection_pool=True)


async def test_a_server_says_that_no_sentinel_answers():
    ports = free_ports(2)
    url = f"redis+sentinel://:secret@127.0.0.1:{ports[0]},127.0.0.1:{ports[1]}/shop"
    async with AsyncExitStack() as stack:
        with pytest.raises(StoreStartError, match="No master found for 'shop'") as raised:
            await asyncio.wait_for(open_store(Settings(redis_url=url), stack), GENEROUS_SECONDS)
    assert "secret" not in str(raised.value)
