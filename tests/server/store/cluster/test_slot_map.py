"""Which server of a cluster has which partition."""

from __future__ import annotations

from collections import Counter

import pytest
from redis.exceptions import ConnectionError as RedisConnectionError

from benchmarks.rig.local_cluster import free_ports, wait_until
from presage_featurizer.event_log import PARTITIONS
from presage_server.errors import StoreStartError
from presage_server.store.checking import check_cluster
from presage_server.store.cluster.slot_map import SLOT_OF_PARTITION, SlotMap
from presage_server.store.urls import StoreUrl

pytestmark = pytest.mark.xdist_group("cluster")


@pytest.fixture
def slots(cluster):
    found = SlotMap(StoreUrl.parse(cluster.url))
    yield found
    found.close()


def test_partitions_have_slots_of_their_own_and_spread_evenly(cluster, slots):
    slots.refresh()

    assert len(set(SLOT_OF_PARTITION)) == PARTITIONS
    assert {place[1] for place in slots.places} == {server.port for server in cluster.masters}
    spread = Counter(slots.partitions)
    assert None not in spread
    assert max(spread.values()) < 1.1 * PARTITIONS / 3


def test_it_learns_where_slots_went(cluster, slots):
    slots.refresh()
    user_id = cluster.visitor_of(cluster.masters[0])
    source, target = cluster.owner(user_id), cluster.other(user_id)
    slot = next(iter(set(cluster.cluster.slots_of(source)) & set(SLOT_OF_PARTITION)))
    assert slots.place_of(slot) == ("127.0.0.1", source.port)

    cluster.cluster.reshard(source, target, [slot])
    wait_until(lambda: all(slot in cluster.cluster.slots_of(target) for _ in cluster.masters))
    place = slots.finder(slot)()

    assert place == slots.place_of(slot) == ("127.0.0.1", target.port)


def test_one_server_that_answers_is_enough(cluster):
    (nobody,) = free_ports(1)
    slots = SlotMap(StoreUrl.parse(f"redis+cluster://127.0.0.1:{nobody},127.0.0.1:{cluster.masters[0].port}"))
    slots.refresh()
    assert len(slots.places) == 3
    slots.close()


def test_it_says_that_nobody_answers():
    (nobody,) = free_ports(1)
    slots = SlotMap(StoreUrl.parse(f"redis+cluster://127.0.0.1:{nobody}"))
    with pytest.raises(RedisConnectionError, match="refused"):
        slots.refresh()
    slots.close()


def test_every_server_is_checked(cluster, slots):
    slots.refresh()
    assert check_cluster(slots).endswith("a cluster of 3 servers that hold data")


def test_a_slot_that_nobody_has_is_found_out_at_start(cluster, slots):
    user_id = cluster.visitor_of(cluster.masters[0])
    owner = cluster.owner(user_id)
    slot = next(iter(set(cluster.cluster.slots_of(owner)) & set(SLOT_OF_PARTITION)))
    only = SlotMap(StoreUrl.parse(f"redis+cluster://127.0.0.1:{owner.port}"))
    owner.redis.execute_command("CLUSTER DELSLOTS", slot)
    try:
        only.refresh()
        with pytest.raises(StoreStartError, match="without those of 1 of 1024 partitions"):
            check_cluster(only)
    finally:
        owner.redis.execute_command("CLUSTER ADDSLOTS", slot)
        only.close()
