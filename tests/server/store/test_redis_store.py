"""The store over a real Valkey: reads, compare-and-set, expiry, and the event stream."""

from __future__ import annotations

import pytest

from presage_featurizer import decode_event
from presage_featurizer.event_log import partition_of, stream_key
from presage_server.store.keys import quarantine_key, state_key
from presage_server.store.snapshot import REVISION_BYTES, read_snapshot
from presage_server.tracking.recent import RecentSnapshots
from support.changes import NOTHING, change_of, page_view, were_made
from support.pipelines import local_pipeline, track
from support.proxies import in_thread, proxy
from support.stores import opened


def test_reads_come_in_the_order_of_the_ids(store):
    with opened(store) as view:
        change = change_of(NOTHING, page_view("b"))
        assert were_made(view.commit(change)) == [True]
        missing, found, again = view.read("a", "b", "b")
        assert (missing, found.state, again.state) == (NOTHING, change.state, change.state)


def test_a_commit_writes_state_and_events_together_and_returns_the_revision(store):
    events = [page_view(event_id="1"), page_view(event_id="2")]
    with opened(store) as view:
        (revision,) = view.commit(change_of(NOTHING, *events))
    assert revision == store.blob("u")[:REVISION_BYTES]
    entries = store.stream("u")
    assert [decode_event(entry[b"event"]) for entry in entries] == events
    assert [entry.get(b"fresh") for entry in entries] == [b"1", None]


def test_only_an_event_folded_into_nothing_is_marked_fresh(store):
    with opened(store) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        view.commit(change_of(view.read_one(), page_view(event_id="2")))
        store.redis.delete(state_key("u"))
        view.commit(change_of(NOTHING, page_view(event_id="3")))
    assert [entry.get(b"fresh") for entry in store.stream("u")] == [b"1", None, b"1"]


def test_a_lost_race_writes_nothing_and_returns_what_was_found(store):
    with opened(store) as view:
        base = view.read_one()
        view.commit(change_of(base, page_view(event_id="winner")))
        before = store.everything()
        (found,) = view.commit(change_of(base, page_view(event_id="loser")))
        assert found == view.read_one()
        assert before == store.everything()


def test_a_change_of_a_visitor_who_was_forgotten_meanwhile_finds_nothing(store):
    with opened(store) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        base = view.read_one()
        store.redis.delete(state_key("u"))
        assert view.commit(change_of(base, page_view(event_id="2"))) == [NOTHING]


def test_in_a_batch_each_visitor_wins_or_loses_alone(store):
    with opened(store) as view:
        view.commit(change_of(NOTHING, page_view("b", "first")))
        results = view.commit(*[change_of(NOTHING, page_view(name, "second")) for name in "abc"])
        assert were_made(results) == [True, False, True]
        assert results[1] == view.read_one("b")


def test_every_commit_renews_the_time_to_live(store):
    with opened(store, state_ttl_ms=1_000_000) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        assert 900_000 < store.redis.pttl(state_key("u")) <= 1_000_000
        store.redis.pexpire(state_key("u"), 500_000)
        view.commit(change_of(view.read_one(), page_view(event_id="2")))
        assert 900_000 < store.redis.pttl(state_key("u")) <= 1_000_000
    assert store.redis.pttl(stream_key(partition_of("u"))) == -1


def test_a_silent_visitor_is_forgotten(store):
    with opened(store, state_ttl_ms=1) as view:
        view.commit(change_of(NOTHING, page_view()))
        for _ in range(1_000):
            if store.blob("u") is None:
                break
        assert view.read_one() == NOTHING


@pytest.mark.parametrize(("stream_max_events", "kept"), [(0, 450), (100, 200)])
def test_the_stream_keeps_roughly_as_many_events_as_set(store, stream_max_events, kept):
    """Nodes of 100 entries go whole, so that up to 99 more are kept."""
    with opened(store, stream_max_events=stream_max_events) as view:
        for start in range(0, 450, 50):
            events = [page_view(event_id=str(number)) for number in range(start, start + 50)]
            view.commit(change_of(view.read_one(), *events))
    assert kept - 100 < len(store.stream("u")) <= kept


def test_a_change_whose_reply_got_lost_is_known_as_made(store):
    """The first change of a visitor, one of a known visitor, and one among neighbours."""
    with in_thread(proxy(store)) as before_store, opened(store, url=before_store.url) as view:
        for batch in (["a"], ["a"], ["b", "a", "c"]):
            snapshots = view.read(*batch)
            number = len(store.stream("a"))
            before_store.lose_answer_to = b"EVALSHA"
            changes = [
                change_of(snapshot, page_view(name, f"e{number}"))
                for name, snapshot in zip(batch, snapshots, strict=True)
            ]
            assert were_made(view.commit(*changes)) == [True] * len(batch)
            assert len(before_store.lost) == number + 1, "expected a reply to be lost"
            assert view.read_one("a").state == changes[batch.index("a")].state
    logged = [decode_event(entry[b"event"]).event_id for entry in store.stream("a")]
    assert logged == ["e0", "e1", "e2"]


@pytest.mark.parametrize("capacity", [0, 10], ids=["read each time", "remembered"])
def test_an_event_whose_reply_got_lost_is_no_duplicate_and_counts_once(store, models, capacity):
    with (
        in_thread(proxy(store)) as before_store,
        opened(store, url=before_store.url) as view,
        local_pipeline(view, models, recent=RecentSnapshots(capacity)) as server,
    ):
        for number in range(3):
            before_store.lose_answer_to = b"EVALSHA"
            assert not server.answer(track("u", f"e{number}")).duplicate
        assert len(before_store.lost) == 3
        assert server.answer(track("u", "e1")).duplicate
        assert server.counted("presage_events_total", outcome="applied") == 3
        assert server.counted("presage_store_conflicts_total") == 0
    assert len(store.stream("u")) == 3


def test_the_same_change_by_another_writer_at_the_same_moment_is_a_lost_race(store, models):
    """Same event, same state before, same clock: only the writer differs, and only one of them may call it its own."""
    with opened(store, clock=lambda: 10**15) as first, opened(store, clock=lambda: 10**15) as second:
        change = change_of(NOTHING, page_view())
        assert were_made(first.commit(change)) == [True]
        assert second.commit(change) == [second.read_one()]
        duplicates = []
        for view in (first, second):
            with local_pipeline(view, models) as server:
                duplicates.append(server.answer(track("u", "next")).duplicate)
    assert duplicates == [False, True]
    assert len(store.stream("u")) == 2


def test_a_change_is_never_taken_for_another_one_of_its_writer(store):
    """A call that ran out of time may leave its change on the way, and the next call reads before it arrives."""
    with opened(store, clock=lambda: 10**15) as view:
        assert were_made(view.commit(change_of(NOTHING, page_view(event_id="left on the way")))) == [True]
        (base,) = view.commit(change_of(NOTHING, page_view(event_id="the next")))
        assert base == view.read_one()
        assert were_made(view.commit(change_of(base, page_view(event_id="third")))) == [True]
        assert view.commit(change_of(base, page_view(event_id="fourth"))) == [view.read_one()]


def test_a_state_with_the_last_revision_of_all_goes_on_from_the_first(store):
    with opened(store) as view:
        view.commit(change_of(NOTHING, page_view(event_id="1")))
        store.set_blob("u", b"\xff" * 8 + store.blob("u")[8:])
        for event_id in "23":
            assert were_made(view.commit(change_of(view.read_one(), page_view(event_id=event_id)))) == [True]
        assert view.read_one().state.sessions[0].event_count == 3
    assert store.blob("u")[:6] == (1).to_bytes(6, "big")


@pytest.mark.parametrize("count", [1, 16, 513, 1_100])
def test_however_many_are_read_each_gets_its_own(store, count):
    """The first of each hundred is known, the next is damaged, the next holds a list in place of a state, the others are new."""
    names = [f"visitor-{number}" for number in range(count)]
    with opened(store) as view:
        view.commit(*[change_of(NOTHING, page_view(name)) for name in names[::100]])
        for name in names[1::100]:
            store.set_blob(name, b"damaged")
        for name in names[2::100]:
            store.redis.lpush(state_key(name), "a list")
        wanted = [*names, *names[:5], names[0]]
        snapshots = view.read(*wanted)
    for name, snapshot in zip(wanted, snapshots, strict=True):
        kind = int(name.removeprefix("visitor-")) % 100
        if kind == 0:
            assert snapshot == read_snapshot(store.blob(name))
            assert snapshot.state is not None
        else:
            assert (snapshot.state, snapshot.damage is None) == (None, kind > 2)
            assert ("another type" in str(snapshot.damage)) == (kind == 2)
    for name in names[2::100]:
        store.redis.delete(state_key(name))


def test_the_last_ten_unreadable_states_are_quarantined(store):
    with opened(store) as view:
        for number in range(13):
            store.set_blob("u", b"broken %d" % number)
            assert were_made(view.commit(change_of(view.read_one(), page_view(event_id="e")))) == [True]
    assert store.aside("u") == [b"broken %d" % number for number in range(3, 13)]
    assert 0 < store.redis.pttl(quarantine_key("u")) <= 60_000, "as long as a state"


def test_a_sampled_vector_goes_into_its_visitors_stream(store):
    with opened(store, stream_max_events=100) as view:
        came = []
        view.store.log_entry("u", "vector", b"a vector", came.append)
        view.read("u")
        assert came == [None]
    assert store.stream("u") == [{b"vector": b"a vector"}]
