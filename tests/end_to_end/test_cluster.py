"""What two servers recorded on a cluster, whose slots move and whose masters change meanwhile, gives every served vector back."""

from __future__ import annotations

from contextlib import asynccontextmanager

import pytest

from presage_server.settings import shipped_models
from presage_server.store.cluster.slot_map import SLOT_OF_PARTITION
from support.archives import archive_once, places
from support.clusters import count_entries, meanwhile
from support.proofs import check_replay, send_crowded, simulated_sessions
from support.running_server import server_process, serving

pytestmark = pytest.mark.xdist_group("cluster")

SEED = 21


def moves(cluster, partitions):
    """Slots moved one by one, slots moved at once, and a replica that takes over, as operators do it."""

    def reshard():
        source, target, _ = cluster.masters
        slots = sorted(set(cluster.cluster.slots_of(source)) & set(SLOT_OF_PARTITION))[:partitions]
        cluster.cluster.reshard(source, target, slots)

    def migrate():
        source, _, target = cluster.masters
        slots = cluster.cluster.slots_of(source)
        end = next(index for index, slot in enumerate(slots) if slot != slots[0] + index or index == 8 * partitions)
        cluster.cluster.migrate_atomically(source, target, slots[0], slots[end - 1])

    def fail_over():
        replica = next(server for server in cluster.cluster.servers if not server.is_primary)
        cluster.cluster.fail_over(replica)

    return reshard, migrate, fail_over


@asynccontextmanager
async def in_process(cluster):
    settings = {"redis_url": cluster.url, "models": shipped_models(), "stream_max_events": 0}
    async with serving(**settings) as one, serving(**settings) as other:
        yield one.address, other.address


@pytest.mark.slow
async def test_the_log_on_a_moving_cluster_gives_every_served_vector_back(cluster, tmp_path):
    logs = simulated_sessions(60, seed=SEED)
    async with in_process(cluster) as addresses:
        with meanwhile(*moves(cluster, 10)):
            answers = await send_crowded(logs, addresses, clients=16, seed=SEED)

    check_replay(cluster, logs, answers)
    assert archive_once(cluster, tmp_path / "archive") == []
    assert len(places(tmp_path / "archive")) == count_entries(cluster.redis)


@pytest.mark.slow
async def test_the_log_of_two_processes_while_much_moves_gives_every_served_vector_back(cluster, tmp_path):
    logs = simulated_sessions(3_000, seed=SEED)
    flags = ("--redis-url", cluster.url, "--models", str(shipped_models()), "--stream-max-events", "0")

    with (
        server_process(tmp_path / "a.log", *flags) as one,
        server_process(tmp_path / "b.log", *flags) as other,
        meanwhile(*moves(cluster, 150)) as moved,
    ):
        answers = await send_crowded(logs, (one.address, other.address), clients=16, seed=SEED)
        assert moved(), "the cluster moved after the events"

    check_replay(cluster, logs, answers)
