"""What a store must be before a server uses it."""

from __future__ import annotations

import dataclasses
import time

import pytest

from presage_server.errors import StoreStartError
from presage_server.store.checking import check_store, connect
from support.changes import NOTHING, change_of, page_view, were_made
from support.stores import local_store, opened


async def test_what_the_server_is_and_how_it_evicts(store, caplog):
    redis, _ = connect(store.url)
    kind, _, version = (await check_store(redis)).partition(" ")
    assert kind == "Valkey", "the store of the tests is one"
    assert version[0].isdigit()
    assert "maxmemory-policy" not in caplog.text
    store.redis.config_set("maxmemory-policy", "allkeys-lru")
    try:
        await check_store(redis)
    finally:
        store.redis.config_set("maxmemory-policy", "noeviction")
        await redis.aclose(close_connection_pool=True)
    assert "the store's maxmemory-policy is allkeys-lru" in caplog.text


@dataclasses.dataclass
class OldRedis:
    """Says of itself that it is an old one."""

    version: str

    async def info(self, _section: str) -> dict[str, str]:
        return {"redis_version": self.version}

    async def script_load(self, _script: str) -> str:
        return ""

    async def config_get(self, _name: str) -> dict[str, str]:
        return {"maxmemory-policy": "noeviction"}


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.16"])
async def test_a_redis_that_is_too_old_is_rejected(version):
    with pytest.raises(StoreStartError, match=rf"expected Redis 6\.2 or newer, got {version}"):
        await check_store(OldRedis(version))


@pytest.mark.parametrize("version", ["6.2.14", "7.4.0", "8.0.1", "10.0.0"])
async def test_a_redis_that_is_new_enough_is_accepted(version):
    assert await check_store(OldRedis(version)) == f"Redis {version}"


async def test_a_store_that_is_not_there_is_rejected_by_name(short_directory):
    redis, _ = connect(f"unix://{short_directory}/nobody.sock")
    with pytest.raises(StoreStartError, match="redis_url: the store cannot be used"):
        await check_store(redis)
    await redis.aclose(close_connection_pool=True)


@dataclasses.dataclass
class ClusterNode(OldRedis):
    """Says of itself that it is a node of a cluster."""

    nodes: int

    async def info(self, section: str) -> dict[str, str]:
        return await super().info(section) | {"redis_mode": "cluster"}

    async def cluster(self, _section: str) -> dict[str, str]:
        return {"cluster_size": str(self.nodes)}


async def test_a_part_of_a_cluster_is_rejected():
    with pytest.raises(StoreStartError, match="expected a server that holds every key, got one of a cluster of 3"):
        await check_store(ClusterNode("7.4.0", nodes=3))


async def test_a_store_that_does_not_let_the_server_in_is_rejected(store):
    redis, _ = connect(f"{store.url}?username=nobody&password=wrong")
    with pytest.raises(StoreStartError, match=r"redis_url: the store cannot be used: .*username-password pair"):
        await check_store(redis)
    await redis.aclose(close_connection_pool=True)


def test_a_cluster_of_one_node_serves(tmp_path, short_directory, unused_tcp_port_factory):
    """As some hosted ones are; one command must not name keys of several partitions."""
    options = {
        "bind": "127.0.0.1",
        "port": str(unused_tcp_port_factory()),
        "cluster-port": str(unused_tcp_port_factory()),
        "cluster-enabled": "yes",
        "dir": str(tmp_path),
    }
    with local_store(short_directory / "cluster.sock", **options) as store:
        store.redis.execute_command("CLUSTER ADDSLOTSRANGE", 0, 16_383)
        for _ in range(1_000):
            if store.redis.cluster("INFO")["cluster_state"] == "ok":
                break
            time.sleep(0.01)
        with opened(store) as view:
            names = [f"visitor-{number}" for number in range(100)]
            changes = [change_of(NOTHING, page_view(name)) for name in names]
            assert were_made(view.commit(*changes)) == [True] * 100
            assert [snapshot.state for snapshot in view.read(*names)] == [change.state for change in changes]
