"""The store when it fails, in whole or for one visitor: nothing is written by halves, and nobody else is in trouble."""

from __future__ import annotations

import pytest

from presage_featurizer.event_log import partition_of, stream_key
from presage_server.errors import StoreFullError, StoreUnavailableError, UnreadableStateError
from presage_server.store.keys import quarantine_key, state_key
from support.changes import NOTHING, change_of, page_view, were_made
from support.stores import linked, local_store, opened, run_until


@pytest.mark.parametrize("known", [True, False], ids=["a known visitor", "a new one"])
def test_events_that_cannot_be_logged_change_no_state(store, caplog, known):
    with opened(store) as view:
        if known:
            view.commit(change_of(NOTHING, page_view(event_id="1")))
        base = view.read_one()
        store.redis.set(stream_key(partition_of("u")), "in the way")
        before = store.everything()
        (rejected,) = view.commit(change_of(base, page_view(event_id="2")))
        assert type(rejected) is UnreadableStateError
        assert before == store.everything()
    assert "WRONGTYPE" in caplog.text
    assert "WRONGTYPE" not in str(rejected)
    assert "{p" not in str(rejected)


def test_what_is_wrong_with_one_visitors_keys_is_nobody_elses_trouble(store):
    """One holds a list in place of a state, one has something else in place of the list of unreadable states."""
    store.redis.lpush(state_key("foreign"), "a list")
    store.set_blob("damaged", b"damaged")
    store.redis.set(quarantine_key("damaged"), "in the way")
    names = ["a", "foreign", "b", "damaged", "c"]
    with opened(store) as view:
        for names_read in (names, ["foreign"]):
            snapshots = dict(zip(names_read, view.read(*names_read), strict=True))
            assert str(snapshots["foreign"].damage) == "expected a string, got a key of another type"
        snapshots = view.read(*names)
        assert [snapshot.damage is None for snapshot in snapshots] == [True, False, True, False, True]
        before = {key: value for key, value in store.everything().items() if b"foreign" in key or b"damaged" in key}
        for flush in (False, True):
            if flush:
                store.redis.script_flush()
                store.redis.delete(*(state_key(name) for name in "abc"))
            changes = [change_of(base, page_view(name)) for name, base in zip(names, snapshots, strict=True)]
            results = view.commit(*changes)
            assert [type(result) for result in results] == [
                bytes,
                UnreadableStateError,
                bytes,
                UnreadableStateError,
                bytes,
            ]
    after = {key: value for key, value in store.everything().items() if b"foreign" in key or b"damaged" in key}
    assert before == after
    assert [len(store.stream(name)) for name in "abc"] == [2] * 3


def test_a_store_that_rejects_every_read_is_unavailable_not_damaged(store):
    """As one does to a user who may not read."""
    store.redis.acl_setuser("restricted", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-get"])
    try:
        with opened(store, url=f"{store.url}?username=restricted&password=secret") as view:
            for user_ids in (["u"], ["u", "v"]):
                with pytest.raises(StoreUnavailableError, match="the store rejected the command") as rejected:
                    view.read(*user_ids)
                assert "restricted" not in str(rejected.value)
    finally:
        store.redis.acl_deluser("restricted")


def test_a_flushed_script_is_sent_again(store):
    with opened(store) as view:
        store.redis.script_flush()
        assert were_made(view.commit(change_of(NOTHING, page_view("a")))) == [True]
        store.redis.script_flush()
        changes = [change_of(NOTHING, page_view(name)) for name in "bcd"]
        assert were_made(view.commit(*changes)) == [True] * 3
        assert None not in [snapshot.state for snapshot in view.read(*"abcd")]
    assert [len(store.stream(name)) for name in "abcd"] == [1] * 4


def test_a_full_store_takes_nothing_and_answers_reads(short_directory):
    with local_store(short_directory / "full.sock") as store, opened(store) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        base, before = view.read_one(), store.everything()
        store.redis.config_set("maxmemory", "1")
        (full,) = view.commit(change_of(base, page_view(event_id="2")))
        assert isinstance(full, StoreFullError)
        assert "out of memory" in str(full)
        store.redis.script_flush()
        results = view.commit(*[change_of(NOTHING, page_view(name)) for name in "abc"])
        assert [type(result) for result in results] == [StoreFullError] * 3
        assert view.read_one() == base
        assert before == store.everything()
        store.redis.config_set("maxmemory", "0")
        assert were_made(view.commit(change_of(base, page_view(event_id="2")))) == [True]


def test_a_store_that_is_down_is_unavailable_until_it_is_back(short_directory):
    with local_store(short_directory / "down.sock") as store, opened(store) as view:
        view.commit(change_of(NOTHING, page_view()))
        store.stop()
        assert view.read("a") is None
        assert view.read("a", "b") is None
        results = view.commit(change_of(NOTHING, page_view("a")), change_of(NOTHING, page_view("b")))
        assert [type(result) for result in results] == [StoreUnavailableError] * 2
        store.start()
        run_until(view.link, lambda: not view.link.down)
        assert were_made(view.commit(change_of(NOTHING, page_view()))) == [True]


def test_a_connection_that_the_server_closed_is_replaced(store):
    with opened(store) as view:
        view.commit(change_of(NOTHING, page_view("a")))
        store.redis.client_kill_filter(_type="normal", skipme=True)
        snapshot = view.read_one("a")
        assert snapshot.state is not None
        store.redis.client_kill_filter(_type="normal", skipme=True)
        assert were_made(view.commit(change_of(snapshot, page_view("a", "2")))) == [True]


def test_a_vector_is_written_at_most_once_and_its_loss_is_reported(short_directory):
    with local_store(short_directory / "vectors.sock") as store, opened(store) as view:
        results = []
        store.redis.client_kill_filter(_type="normal", skipme=True)
        view.store.log_entry("u", "vector", b"vector", results.append)
        run_until(view.link, lambda: results)
        assert isinstance(results[0], StoreUnavailableError)
        store.redis.set(stream_key(partition_of("v")), "no stream")
        view.store.log_entry("v", "vector", b"vector", results.append)
        run_until(view.link, lambda: len(results) == 2)
        assert type(results[1]) is UnreadableStateError
        assert store.stream("u") == []


def test_a_demoted_store_is_left_at_the_first_rejected_write(short_directory):
    """A write is rejected with READONLY before the heartbeat asks for the role."""
    with local_store(short_directory / "demoted.sock") as store, opened(store) as view:
        assert were_made(view.commit(change_of(NOTHING, page_view()))) == [True]
        store.redis.execute_command("REPLICAOF", "127.0.0.1", "1")
        (rejected,) = view.commit(change_of(view.read_one(), page_view(event_id="2")))
        assert isinstance(rejected, StoreUnavailableError)
        assert "the store does not answer" in str(rejected)
        assert view.link._wire is None
        run_until(view.link, lambda: view.read("u") is None)
        store.redis.execute_command("REPLICAOF", "NO", "ONE")
        run_until(view.link, lambda: not view.link.down)
        assert were_made(view.commit(change_of(view.read_one(), page_view(event_id="2")))) == [True]


def test_a_closed_link_leaves_nothing_behind(store):
    with linked(store.url) as link:
        assert len(store.redis.client_list()) == 2
    assert not link.pending
    for _ in range(1_000):
        if len(store.redis.client_list()) == 1:
            break
    assert len(store.redis.client_list()) == 1
