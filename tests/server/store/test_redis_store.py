"""The store over a real Valkey: compare-and-set, expiry, the event stream, and what happens when the server fails."""

from __future__ import annotations

import dataclasses

import pytest
from redis.asyncio import Redis

from presage_featurizer import Event, EventType, decode_event, fold
from presage_server.errors import StoreFullError, StoreStartError, StoreUnavailableError
from presage_server.store.keys import partition_of, state_key, stream_key
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.snapshot import Change, Snapshot
from support.events import event as story_event
from support.stores import local_store, opened

NOTHING = Snapshot(None, b"")


def an_event(user_id: str = "u", event_id: str = "e") -> Event:
    return Event(event_id, EventType.PAGE_VIEW, user_id, story_event().event_time_unix_micros)


def a_change(base: Snapshot, *events: Event) -> Change:
    state = base.state
    for event in events:
        state = fold(state, event)
    return Change(events[0].user_id, base, state, events)


async def read_one(redis_store: RedisStore, user_id: str = "u") -> Snapshot:
    (snapshot,) = await redis_store.read([user_id])
    return snapshot


async def test_reads_come_in_the_order_of_the_ids(store):
    async with opened(store) as redis_store:
        assert await redis_store.read([]) == []
        change = a_change(NOTHING, an_event("b"))
        assert await redis_store.commit([change]) == [None]
        missing, found, again = await redis_store.read(["a", "b", "b"])
        assert (missing, found.state, again.state) == (NOTHING, change.state, change.state)


async def test_a_commit_writes_state_and_events_together(store):
    events = [an_event(event_id="1"), an_event(event_id="2")]
    async with opened(store) as redis_store:
        assert await redis_store.commit([a_change(NOTHING, *events)]) == [None]
    entries = store.stream("u")
    assert [decode_event(entry[b"event"]) for entry in entries] == events
    assert [entry.get(b"fresh") for entry in entries] == [b"1", None]


async def test_only_an_event_folded_into_nothing_is_marked_fresh(store):
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event(event_id="1"))])
        await redis_store.commit([a_change(await read_one(redis_store), an_event(event_id="2"))])
        store.redis.delete(state_key("u"))
        await redis_store.commit([a_change(NOTHING, an_event(event_id="3"))])
    assert [entry.get(b"fresh") for entry in store.stream("u")] == [b"1", None, b"1"]


async def test_a_lost_race_writes_nothing_and_answers_with_what_stands(store):
    async with opened(store) as redis_store:
        base = await read_one(redis_store)
        await redis_store.commit([a_change(base, an_event(event_id="winner"))])
        before = store.everything()
        (instead,) = await redis_store.commit([a_change(base, an_event(event_id="loser"))])
        assert instead == await read_one(redis_store)
        assert before == store.everything()


async def test_a_change_of_a_visitor_who_was_forgotten_meanwhile_finds_nothing(store):
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event(event_id="1"))])
        base = await read_one(redis_store)
        store.redis.delete(state_key("u"))
        assert await redis_store.commit([a_change(base, an_event(event_id="2"))]) == [NOTHING]


async def test_in_a_batch_each_visitor_wins_or_loses_alone(store):
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event("b", "first"))])
        replies = await redis_store.commit([a_change(NOTHING, an_event(name, "second")) for name in "abc"])
        assert [reply is None for reply in replies] == [True, False, True]
        assert replies[1] == await read_one(redis_store, "b")


async def test_every_commit_sets_the_time_to_live_anew(store):
    async with opened(store, state_ttl_ms=1_000_000) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event(event_id="1"))])
        assert 900_000 < store.redis.pttl(state_key("u")) <= 1_000_000
        store.redis.pexpire(state_key("u"), 500_000)
        await redis_store.commit([a_change(await read_one(redis_store), an_event(event_id="2"))])
        assert 900_000 < store.redis.pttl(state_key("u")) <= 1_000_000
    assert store.redis.pttl(stream_key(partition_of("u"))) == -1


async def test_a_silent_visitor_is_forgotten(store):
    async with opened(store, state_ttl_ms=1) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event())])
        for _ in range(1_000):
            if store.blob("u") is None:
                break
        assert await read_one(redis_store) == NOTHING


@pytest.mark.parametrize(("stream_max_events", "kept"), [(0, 450), (100, 200)])
async def test_the_stream_keeps_roughly_as_many_events_as_told(store, stream_max_events, kept):
    """Nodes of 100 entries go whole, so that up to 99 more than told are kept."""
    async with opened(store, stream_max_events=stream_max_events) as redis_store:
        for start in range(0, 450, 50):
            events = [an_event(event_id=str(number)) for number in range(start, start + 50)]
            await redis_store.commit([a_change(await read_one(redis_store), *events)])
    assert kept - 100 < len(store.stream("u")) <= kept


async def test_a_flushed_script_is_sent_again(store):
    async with opened(store) as redis_store:
        store.redis.script_flush()
        assert await redis_store.commit([a_change(NOTHING, an_event("a"))]) == [None]
        store.redis.script_flush()
        assert await redis_store.commit([a_change(NOTHING, an_event(name)) for name in "bcd"]) == [None] * 3
        snapshots = await redis_store.read(list("abcd"))
        assert None not in [snapshot.state for snapshot in snapshots]
    assert [len(store.stream(name)) for name in "abcd"] == [1] * 4


async def test_a_full_store_takes_nothing_and_answers_reads(short_directory):
    with local_store(short_directory / "full.sock") as store:
        async with opened(store) as redis_store:
            await redis_store.commit([a_change(NOTHING, an_event(event_id="1"))])
            base, before = await read_one(redis_store), store.everything()
            store.redis.config_set("maxmemory", "1")
            with pytest.raises(StoreFullError, match="out of memory"):
                await redis_store.commit([a_change(base, an_event(event_id="2"))])
            with pytest.raises(StoreFullError):
                await redis_store.commit([a_change(NOTHING, an_event(name)) for name in "abc"])
            assert await read_one(redis_store) == base
            assert before == store.everything()
            store.redis.config_set("maxmemory", "0")
            assert await redis_store.commit([a_change(base, an_event(event_id="2"))]) == [None]


async def test_a_store_that_is_down_is_unavailable_until_it_is_back(short_directory):
    with local_store(short_directory / "down.sock") as store:
        async with opened(store) as redis_store:
            await redis_store.commit([a_change(NOTHING, an_event())])
            store.stop()
            for call in (
                redis_store.read(["a"]),
                redis_store.read(["a", "b"]),
                redis_store.commit([a_change(NOTHING, an_event("a"))]),
                redis_store.commit([a_change(NOTHING, an_event("a")), a_change(NOTHING, an_event("b"))]),
            ):
                with pytest.raises(StoreUnavailableError):
                    await call
            store.start()
            assert await redis_store.commit([a_change(NOTHING, an_event())]) == [None]


async def test_a_connection_that_the_server_closed_is_made_anew(store):
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event("a"))])
        store.redis.client_kill_filter(_type="normal", skipme=True)
        (snapshot,) = await redis_store.read(["a"])
        assert snapshot.state is not None
        store.redis.client_kill_filter(_type="normal", skipme=True)
        assert await redis_store.commit([a_change(snapshot, an_event("a", "2"))]) == [None]


async def test_what_the_server_is_and_how_it_evicts(store):
    async with opened(store) as redis_store:
        kind, _, version = (await redis_store.prepare()).partition(" ")
        assert kind == "Valkey", "the store of the tests is one"
        assert version[0].isdigit()
        assert await redis_store.eviction_policy() == "noeviction"


@dataclasses.dataclass
class OldRedis:
    """Says of itself that it is an old one."""

    version: str

    async def info(self, _section: str) -> dict[str, str]:
        return {"redis_version": self.version}

    async def script_load(self, _script: str) -> str:
        return ""


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.16"])
async def test_a_redis_that_is_too_old_is_refused(version):
    old = RedisStore(OldRedis(version), clock=lambda: 0, state_ttl_ms=1, stream_max_events=0)
    with pytest.raises(StoreStartError, match=rf"expected Redis 6\.2 or newer, got {version}"):
        await old.prepare()


@pytest.mark.parametrize("version", ["6.2.14", "7.4.0", "8.0.1", "10.0.0"])
async def test_a_redis_that_is_new_enough_is_taken(version):
    new = RedisStore(OldRedis(version), clock=lambda: 0, state_ttl_ms=1, stream_max_events=0)
    assert await new.prepare() == f"Redis {version}"


@pytest.mark.parametrize("url", ["redis://localhost:port", "redis://localhost:99999", "redis://[::1"])
def test_a_url_that_cannot_be_understood_is_refused(url):
    with pytest.raises(StoreStartError, match="redis_url: cannot be understood"):
        connect(url, connections=1)


async def test_a_store_that_is_not_there_is_refused_by_name(short_directory):
    client: Redis = connect(f"unix://{short_directory}/nobody.sock", connections=1)
    absent = RedisStore(client, clock=lambda: 0, state_ttl_ms=1, stream_max_events=0)
    with pytest.raises(StoreStartError, match="redis_url: the store cannot be used"):
        await absent.prepare()
    await absent.close()
