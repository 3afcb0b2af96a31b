"""What reads and writes a store beside the serving thread, on a cluster whose slots move."""

from __future__ import annotations

import itertools
from threading import Event as Flag

import msgspec
import pytest
from redis.asyncio import Redis as AsyncRedis

from presage_featurizer import Event, EventType, Item
from presage_featurizer.event_log import partition_of, stream_key
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.doctor.check import Outcome
from presage_server.doctor.store import check_store as examine_store
from presage_server.errors import StoreStartError
from presage_server.eventlog.connecting import connect, connect_clients
from presage_server.eventlog.errors import EventLogStoreError
from presage_server.forgetting.run import check_visitor, forget_visitor
from presage_server.forgetting.settings import ForgetSettings
from presage_server.items.keys import BUCKETS, CATALOGUE_STREAM
from presage_server.items.lease import Lease
from presage_server.items.live_items import LiveItems
from presage_server.settings import Settings
from presage_server.store.checking import check_store
from presage_server.store.checking import connect as connect_server
from presage_server.store.cluster.slot_map import SLOT_OF_PARTITION, SlotMap, slot_of
from presage_server.store.found_connections import follow_async
from presage_server.store.urls import StoreUrl
from support.archives import archive_once, archiver, assert_equal_to_streams, log_event
from support.backfills import backfill, encoded, replayed, stored, write_project
from support.changes import change_of
from support.clusters import opened_on
from support.events import STORY
from support.items import WIDTH_MICROS, a_follower, loaded, put_change, put_event, recounted, run_once
from support.stores import GENEROUS_SECONDS

pytestmark = pytest.mark.xdist_group("cluster")

START_MILLIS = 1_700_000_000_000 // (WIDTH_MICROS // 1_000) * (WIDTH_MICROS // 1_000)
VISITORS = 40


def events(count, first=0):
    return [
        msgspec.structs.replace(
            STORY[number % len(STORY)], event_id=f"e-{number}", user_id=f"visitor-{number % VISITORS}"
        )
        for number in range(first, first + count)
    ]


def log(cluster, many):
    for event in many:
        log_event(cluster.redis, event)


def move(cluster, key):
    """Move the slot of a key to another server."""
    slot = slot_of(key)
    source = next(server for server in cluster.masters if slot in cluster.cluster.slots_of(server))
    target = next(server for server in cluster.masters if server is not source)
    cluster.cluster.reshard(source, target, [slot])


@pytest.fixture
def clients(cluster):
    found, counts_entries = connect_clients(cluster.url, client_name="test", timeout_seconds=GENEROUS_SECONDS)
    assert counts_entries
    with found:
        yield found


def test_everything_is_archived_once_while_streams_move(cluster, tmp_path):
    warnings = []
    log(cluster, events(200))
    with archiver(cluster, tmp_path, warnings, max_batch_events=70) as made:
        made.prepare()
        made.sweep()
        log(cluster, events(100, first=200))
        for number in range(0, VISITORS, 4):
            move(cluster, stream_key(partition_of(f"visitor-{number}")))
        while made.sweep():
            pass
        made.commit()
    assert warnings == []
    assert_equal_to_streams(tmp_path, cluster.redis)
    log(cluster, events(30, first=300))
    assert archive_once(cluster, tmp_path) == []
    assert_equal_to_streams(tmp_path, cluster.redis)


def test_a_stream_on_its_way_is_read_where_it_is(cluster, tmp_path):
    log(cluster, events(50))
    key = stream_key(partition_of("visitor-0"))
    slot = slot_of(key)
    source, target = cluster.owner("visitor-0"), cluster.other("visitor-0")
    target.redis.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
    source.redis.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
    source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
    assert archive_once(cluster, tmp_path) == []
    cluster.cluster.reshard(source, target, [slot])
    assert_equal_to_streams(tmp_path, cluster.redis)


def test_a_server_that_lost_its_connections_is_connected_again(cluster, tmp_path):
    log(cluster, events(20))
    with archiver(cluster, tmp_path, [], max_batch_events=1_000) as made:
        made.prepare()
        made.sweep()
        for server in cluster.masters:
            server.redis.execute_command("CLIENT", "KILL", "TYPE", "NORMAL", "SKIPME", "YES")
        made.sweep()
        made.commit()
    assert_equal_to_streams(tmp_path, cluster.redis)


def test_items_are_counted_from_all_servers_while_they_move(cluster):
    numbers = itertools.count()
    width_millis = WIDTH_MICROS // 1_000

    def fill(bucket):
        for _ in range(20):
            number = next(numbers)
            event = Event("e", EventType.VIEW_ITEM, f"user-{number % 30}", 1, items=(Item(f"item-{number % 7}"),))
            put_event(cluster, event, f"{START_MILLIS + bucket * width_millis + number}-0")
        place = START_MILLIS + bucket * width_millis + 900 + bucket
        put_change(cluster, CatalogueChange(f"item-{bucket % 7}", 1_000_000, "hats"), entry_id=f"{place}-0")

    for bucket in range(4):
        fill(bucket)
    with a_follower(cluster) as follower:
        run_once(follower)
        for key in (BUCKETS, stream_key(partition_of("user-0"))):
            move(cluster, key)
        run_once(follower)
        columns = loaded(cluster)
        assert len(columns) == 7
        assert columns.fingerprint() == recounted(cluster, columns.epoch).fingerprint()
        follower.save()
    assert loaded(cluster).fingerprint() == columns.fingerprint()


def test_live_items_follow_the_catalogue_to_another_server(cluster):
    items = LiveItems.open(cluster.url, WIDTH_MICROS)
    try:
        put_change(cluster, CatalogueChange("one", 1_000_000, "hats"))
        wait_for_changes(items, 1)
        move(cluster, CATALOGUE_STREAM)
        put_change(cluster, CatalogueChange("two", 1_000_000, "hats"))
        wait_for_changes(items, 2)
    finally:
        items.close()


def wait_for_changes(items, count):
    stop = Flag()
    for _ in range(int(GENEROUS_SECONDS * 100)):
        if items._applied == count:
            return
        stop.wait(0.01)
    raise TimeoutError(f"expected {count} changes, got {items._applied}")


def test_a_lease_is_held_wherever_it_is(cluster, clients):
    lease = Lease(clients.of_key("{items}:lease"), holder="one", clock=itertools.count(step=10).__next__)
    assert lease.hold()
    move(cluster, "{items}:lease")
    assert lease.hold()
    assert cluster.redis.get("{items}:lease") == b"one"
    lease.release()
    assert cluster.redis.get("{items}:lease") is None


@pytest.mark.slow
def test_states_are_backfilled_on_all_servers(cluster, tmp_path):
    many = events(120)
    with opened_on(cluster) as view:
        for each in many[:60]:
            view.commit(change_of(view.read_one(each.user_id), each))
        archive_once(cluster, tmp_path / "archive")
        for each in many[60:]:
            view.commit(change_of(view.read_one(each.user_id), each))
    expected = encoded(replayed(cluster))
    assert stored(cluster, expected) != expected
    for number in range(0, VISITORS, 8):
        move(cluster, stream_key(partition_of(f"visitor-{number}")))

    progress = backfill(cluster, tmp_path / "archive", project=write_project(tmp_path / "project"))

    assert progress.is_complete
    assert stored(cluster, expected) == expected


async def test_a_client_of_asyncio_follows_its_key(cluster):
    found = StoreUrl.parse(cluster.url)
    slots = SlotMap(found)
    redis = follow_async(AsyncRedis.from_url(found.url, protocol=2), slots.finder(slot_of("{items}:x")))
    await redis.set("{items}:x", 1)
    move(cluster, "{items}:x")
    await redis.incr("{items}:x")
    assert cluster.redis.get("{items}:x") == b"2"
    await redis.aclose(close_connection_pool=True)
    slots.close()


def test_each_partition_has_a_client_of_its_server(cluster, clients):
    for partition in range(20):
        clients.of_partition(partition).set(f"{{p{partition}}}:x", partition)
    assert [cluster.redis.get(f"{{p{partition}}}:x") for partition in range(20)] == [b"%d" % each for each in range(20)]
    assert len(clients.of_servers()) == 3
    assert len(set(SLOT_OF_PARTITION)) == 1_024


async def test_a_cluster_is_refused_by_what_reads_one_server(cluster):
    with pytest.raises(EventLogStoreError, match="expected a store of one server, got a cluster"):
        connect(cluster.url, client_name="test", timeout_seconds=1.0)
    plain = f"redis://127.0.0.1:{cluster.masters[0].port}"
    with pytest.raises(EventLogStoreError, match=r"got one of a cluster; write redis\+cluster://"):
        connect_clients(plain, client_name="test", timeout_seconds=GENEROUS_SECONDS)
    redis, _ = connect_server(plain)
    with pytest.raises(StoreStartError, match=r"got one of a cluster of 3; write redis\+cluster://"):
        await check_store(redis)
    await redis.aclose(close_connection_pool=True)


def test_a_server_of_its_own_is_no_cluster(store, unused_tcp_port):
    store.redis.config_set("port", unused_tcp_port)
    with pytest.raises(EventLogStoreError, match=r"write redis:// instead of redis\+cluster://"):
        connect_clients(f"redis+cluster://127.0.0.1:{unused_tcp_port}", client_name="test", timeout_seconds=1.0)
    store.redis.config_set("port", 0)


def test_a_visitor_is_forgotten_on_the_server_that_has_it(cluster, tmp_path):
    with opened_on(cluster) as view:
        for each in events(80):
            view.commit(change_of(view.read_one(each.user_id), each))
    archive_once(cluster, tmp_path)
    move(cluster, stream_key(partition_of("visitor-3")))
    settings = ForgetSettings(user_id="visitor-3", redis_url=cluster.url, archives=(tmp_path,), settle_seconds=0.0)
    assert check_visitor(settings)

    erased = forget_visitor(settings, warn=print)

    assert (erased.keys, erased.entries, erased.rows, erased.problems) == (1, 2, 2, [])
    # The archiver of tests names its group otherwise than the command does.
    assert [finding.place for finding in erased.left if not finding.place.startswith("consumer group")] == []
    assert cluster.blob("visitor-3") is None
    assert cluster.blob("visitor-4") is not None


def test_the_doctor_looks_at_every_server(cluster):
    found = list(examine_store(Settings(redis_url=cluster.url)))
    names = [check.name for check in found if check.name.startswith("store role")]
    assert names == [f"store role 127.0.0.1:{port}" for port in sorted_by_slots(cluster)]
    assert {check.outcome for check in found if "role" in check.name} == {Outcome.OK}


def sorted_by_slots(cluster):
    return [server.port for server in sorted(cluster.masters, key=lambda each: cluster.cluster.slots_of(each)[0])]
