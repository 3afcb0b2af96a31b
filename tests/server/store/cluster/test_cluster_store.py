"""The store over a real cluster: what ``test_redis_store`` shows of one server, and what only a cluster does."""

from __future__ import annotations

import itertools
import signal
from contextlib import contextmanager

import pytest

from benchmarks.rig.local_cluster import wait_until
from presage_featurizer import decode_event
from presage_featurizer.event_log import partition_of, stream_key
from presage_server.errors import StoreUnavailableError
from presage_server.store.clients import StoreClients
from presage_server.store.cluster.losses import ClusterLossWatch
from presage_server.store.cluster.slot_map import SLOT_OF_PARTITION
from presage_server.store.keys import keys_of_commit, quarantine_key, state_key
from presage_server.store.snapshot import REVISION_BYTES
from presage_server.store.trouble import Trouble
from presage_server.store.urls import StoreUrl
from support.changes import NOTHING, change_of, page_view, were_made
from support.clusters import opened_on
from support.stores import GENEROUS_SECONDS, run_until

pytestmark = pytest.mark.xdist_group("cluster")

MANY = [f"visitor-{number}" for number in range(60)]


@pytest.fixture
def view(cluster):
    with opened_on(cluster) as opened:
        yield opened


def slot_of(user_id):
    return SLOT_OF_PARTITION[partition_of(user_id)]


def move(cluster, user_id):
    """Move a visitor's slot to another server, as redis-cli does; return that server."""
    source, target = cluster.owner(user_id), cluster.other(user_id)
    cluster.cluster.reshard(source, target, [slot_of(user_id)])
    return target


@contextmanager
def half_moved(cluster, user_id, *keys):
    """Have a visitor's slot on its way to another server, with some of its keys there already; it arrives at the end."""
    source, target, slot = cluster.owner(user_id), cluster.other(user_id), slot_of(user_id)
    target.redis.execute_command("CLUSTER SETSLOT", slot, "IMPORTING", source.id)
    source.redis.execute_command("CLUSTER SETSLOT", slot, "MIGRATING", target.id)
    for key in keys:
        source.redis.execute_command("MIGRATE", "127.0.0.1", target.port, key, 0, 5_000)
    yield target
    cluster.cluster.reshard(source, target, [slot])


def commit(view, *changes):
    """Send changes; return the list that their results will be in."""
    came = []
    view.store.commit(changes, came.extend)
    return came


def test_what_is_on_several_servers_comes_in_the_order_of_the_ids(cluster, view):
    assert len({cluster.owner(user_id).port for user_id in MANY}) == 3
    changes = [change_of(NOTHING, page_view(user_id)) for user_id in MANY[::2]]

    assert were_made(view.commit(*changes)) == [True] * len(changes)
    found = view.read(*MANY)

    assert [snapshot.state for snapshot in found[::2]] == [change.state for change in changes]
    assert found[1::2] == [NOTHING] * len(changes)
    assert all(cluster.redis.xlen(stream_key(partition_of(user_id))) for user_id in MANY[::2])


def test_of_two_who_change_a_visitor_one_gets_what_the_other_wrote(cluster, view):
    with opened_on(cluster) as other:
        first, second = (change_of(NOTHING, page_view(event_id=event_id)) for event_id in "12")
        assert were_made(view.commit(first)) == [True]
        (found,) = other.commit(second)
    assert found.state == first.state
    assert found.revision == cluster.blob("u")[:REVISION_BYTES]


def test_an_unreadable_state_is_quarantined(cluster, view):
    cluster.redis.set(state_key("u"), b"12345678 no state")
    assert were_made(view.commit(change_of(view.read_one(), page_view()))) == [True]
    assert cluster.redis.lrange(quarantine_key("u"), 0, -1) == [b"12345678 no state"]


def test_a_script_that_a_server_has_forgotten_is_sent_again(cluster, view):
    for server in cluster.masters:
        server.redis.script_flush()
    assert were_made(view.commit(*(change_of(NOTHING, page_view(user_id)) for user_id in MANY))) == [True] * len(MANY)
    assert len(list(cluster.redis.scan_iter("*:u:*"))) == len(MANY)


def test_visitors_are_followed_to_another_server(cluster, view):
    first = change_of(NOTHING, page_view(event_id="1"))
    view.commit(first)
    move(cluster, "u")

    found = view.read_one()
    assert found.state == first.state
    assert were_made(view.commit(change_of(found, page_view(event_id="2")))) == [True]
    logged = [
        decode_event(fields[b"event"]).event_id for _, fields in cluster.redis.xrange(stream_key(partition_of("u")))
    ]
    assert logged == ["1", "2"]


def test_the_map_is_looked_up_when_a_visitor_has_moved(cluster, view):
    users = [cluster.visitor_of(cluster.owner("u")), "u"]
    target = move(cluster, "u")
    view.read("u")
    run_until(view.link, lambda: view.link._slots.place_of(slot_of("u")) == ("127.0.0.1", target.port))
    assert view.read(*users) == [NOTHING, NOTHING]


def test_a_visitor_on_the_way_is_read_and_written_where_the_keys_are(cluster, view):
    change = change_of(NOTHING, page_view(event_id="1"))
    view.commit(change)
    state, stream, _ = keys_of_commit("u")
    with half_moved(cluster, "u", state, stream):
        found = view.read_one()
        assert found.state == change.state
        assert were_made(view.commit(change_of(found, page_view(event_id="2")))) == [True]
        assert view.store.trouble.lasts is False
    assert cluster.redis.xlen(stream) == 2


def test_a_write_waits_while_its_keys_are_on_two_servers(cluster, view):
    view.commit(change_of(NOTHING, page_view(event_id="1")))
    state, stream, _ = keys_of_commit("u")
    with half_moved(cluster, "u", state):
        found = view.read_one()
        results = commit(view, change_of(found, page_view(event_id="2")))
        for _ in range(50):
            view.link.pump(0.001)
        assert not results
        assert view.link.pending
    run_until(view.link, lambda: results)
    assert were_made(results) == [True]
    assert cluster.redis.xlen(stream) == 2


def test_a_server_that_does_not_answer_holds_up_its_own_visitors_alone(cluster):
    silent, answering = cluster.masters[:2]
    theirs, others = cluster.visitor_of(silent), cluster.visitor_of(answering)
    with opened_on(cluster, timeout_seconds=0.3) as view:
        silent.process.send_signal(signal.SIGSTOP)
        try:
            came = []
            view.store.read([theirs], lambda blobs: came.append((theirs, blobs)))
            view.store.read([others], lambda blobs: came.append((others, blobs)))
            run_until(view.link, lambda: len(came) == 2)
            assert came == [(others, [None]), (theirs, None)]
            assert view.link.down

            view.store.read([theirs, others], came.append)
            run_until(view.link, lambda: len(came) == 3)
            from_both = came[2]
            assert from_both[1] is None
            with pytest.raises(StoreUnavailableError):
                view.store.snapshot(from_both[0])
            (result,) = view.commit(change_of(NOTHING, page_view(theirs)))
            assert isinstance(result, StoreUnavailableError)
            assert were_made(view.commit(change_of(NOTHING, page_view(others)))) == [True]
        finally:
            silent.process.send_signal(signal.SIGCONT)
        run_until(view.link, lambda: not view.link.down)
        assert view.read(theirs) is not None


def test_the_replica_of_a_server_that_failed_takes_its_place(cluster, view):
    user_id = cluster.visitor_of(cluster.masters[0])
    view.commit(change_of(NOTHING, page_view(user_id, "1")))
    failing = cluster.owner(user_id)
    wait_until(lambda: failing.redis.wait(1, 1_000) == 1)
    replica = next(server for server in cluster.cluster.servers if server.primary_port == failing.port)
    cluster.cluster.fail_over(replica)

    found = view.read_one(user_id)
    assert were_made(view.commit(change_of(found, page_view(user_id, "2")))) == [True]
    assert cluster.owner(user_id) is replica
    assert cluster.redis.xlen(stream_key(partition_of(user_id))) == 2


def test_a_slot_that_nobody_serves_is_trouble_and_no_one_elses(cluster, view):
    owner = cluster.owner("u")
    owner.redis.execute_command("CLUSTER DELSLOTS", slot_of("u"))
    try:
        results = view.commit(change_of(NOTHING, page_view()))
        assert isinstance(results[0], StoreUnavailableError)
        assert view.store.trouble.lasts
        kinds = {
            sample.labels["kind"]: sample.value
            for metric in view.store.trouble.collect()
            for sample in metric.samples
            if metric.name == "presage_store_trouble"
        }
        assert kinds[Trouble.CLUSTER] == 1
    finally:
        owner.redis.execute_command("CLUSTER ADDSLOTS", slot_of("u"))
    other = next(user_id for user_id in MANY if cluster.owner(user_id) is not owner)
    assert were_made(view.commit(change_of(NOTHING, page_view(other)))) == [True]


def test_an_entry_goes_to_the_stream_of_its_visitor_wherever_that_is(cluster, view):
    results = []
    for number in itertools.count():
        view.store.log_entry("u", "vector", b"%d" % number, results.append)
        run_until(view.link, lambda expected=number + 1: len(results) == expected)
        if number:
            break
        move(cluster, "u")
    assert results == [None, None]
    entries = cluster.redis.xrange(stream_key(partition_of("u")))
    assert [fields for _, fields in entries] == [{b"vector": b"0"}, {b"vector": b"1"}]


def test_items_are_divided_by_the_servers_of_their_visitors_once_one_is_slow(cluster, view):
    changes = [change_of(NOTHING, page_view(user_id)) for user_id in MANY]
    assert view.store.divider() is None
    assert view.store.divide(changes) == (changes,)
    slow = cluster.masters[0]
    theirs = cluster.visitor_of(slow)
    owners = {user_id: cluster.owner(user_id).port for user_id in MANY}
    slow.process.send_signal(signal.SIGSTOP)
    try:
        came = []
        view.store.read([theirs], came.append)
        run_until(view.link, lambda: view.store.divider() is not None)
        parts = view.store.divide(changes)
        server_of = view.store.divider()
    finally:
        slow.process.send_signal(signal.SIGCONT)
    run_until(view.link, lambda: came)
    run_until(view.link, lambda: view.store.divider() is None)
    assert sorted(change.user_id for part in parts for change in part) == sorted(MANY)
    assert [len({owners[change.user_id] for change in part}) for part in parts] == [1, 1, 1]
    assert len({server_of(user_id) for user_id in MANY}) == 3


def test_nothing_is_asked_after_the_end(cluster):
    with opened_on(cluster) as view:
        pass
    came = []
    view.store.read(["u"], came.append)
    assert came == [None]


async def test_what_a_cluster_lost_is_counted_for_all_streams(cluster, view, caplog):
    changes = [change_of(NOTHING, page_view(user_id)) for user_id in MANY[:20]]
    twice = change_of(NOTHING, page_view("u", "1"))
    view.commit(*changes, twice)
    view.commit(change_of(view.read_one(), page_view(event_id="2")))
    with StoreClients(StoreUrl.parse(cluster.url), client_name="test", timeout_seconds=GENEROUS_SECONDS) as clients:
        watch = ClusterLossWatch(clients, view.link, view.store.written)
        replica = next(server for server in cluster.cluster.servers if server.primary_port == cluster.owner("u").port)
        wait_until(lambda: cluster.owner("u").redis.wait(1, 1_000) == 1)
        cluster.cluster.fail_over(replica)
        stream = stream_key(partition_of("u"))
        cluster.redis.delete(stream)

        run_until(view.link, lambda: view.read("u") and view.link.process > 3)
        await watch.check()

    assert {sample.name: sample.value for metric in watch.metrics.collect() for sample in metric.samples} == {
        "presage_store_lost_events_total": 2.0
    }
    assert "2 acknowledged events are lost" in caplog.text
