"""The store over a real Valkey: compare-and-set, expiry, the event stream, and what happens when the server fails."""

from __future__ import annotations

import asyncio
import dataclasses

import pytest

from presage_featurizer import Event, EventType, decode_event, fold
from presage_featurizer.event_log import partition_of, stream_key
from presage_server.errors import StoreFullError, StoreStartError, StoreUnavailableError
from presage_server.store.keys import quarantine_key, state_key
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.snapshot import Change, Snapshot, read_snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.tracker import Tracker
from support.events import event as story_event
from support.proxies import proxy
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


async def test_a_change_whose_answer_got_lost_is_known_as_made(store):
    """The first change of a visitor, one of a known visitor, and one whose neighbours have to be told from it."""
    async with proxy(store) as before_store, opened(store, url=before_store.url) as redis_store:
        for batch in (["a"], ["a"], ["b", "a", "c"]):
            snapshots = await redis_store.read(batch)
            number = len(store.stream("a"))
            before_store.lose_answer_to = b"EVALSHA"
            changes = [
                a_change(snapshot, an_event(name, f"e{number}"))
                for name, snapshot in zip(batch, snapshots, strict=True)
            ]
            assert await redis_store.commit(changes) == [None] * len(batch)
            assert len(before_store.lost) == number + 1, "expected an answer to be lost"
            (snapshot,) = await redis_store.read(["a"])
            assert snapshot.state == changes[batch.index("a")].state
    logged = [decode_event(entry[b"event"]).event_id for entry in store.stream("a")]
    assert logged == ["e0", "e1", "e2"]


async def test_an_event_whose_answer_got_lost_is_no_duplicate_and_counts_once(store):
    metrics = Metrics()
    async with proxy(store) as before_store, opened(store, url=before_store.url) as redis_store:
        tracker = Tracker(redis_store, redis_store, metrics)
        for number in range(3):
            before_store.lose_answer_to = b"EVALSHA"
            (outcome,) = await tracker.track([an_event(event_id=f"e{number}")])
            assert not outcome.duplicate
        assert len(before_store.lost) == 3
        (again,) = await tracker.track([an_event(event_id="e1")])
        assert again.duplicate
    assert len(store.stream("u")) == 3
    assert metrics.registry.get_sample_value("presage_events_total", {"outcome": "applied"}) == 3
    assert metrics.registry.get_sample_value("presage_store_conflicts_total") == 0


async def test_the_same_change_by_another_writer_at_the_same_moment_is_a_lost_race(store):
    """Same event, same state before, same clock: only the writer differs, and only one of them may call it its own."""
    async with opened(store, clock=lambda: 10**15) as first, opened(store, clock=lambda: 10**15) as second:
        change = a_change(NOTHING, an_event())
        assert await first.commit([change]) == [None]
        assert await second.commit([change]) == [await read_one(second)]
        outcomes = [
            (await Tracker(writer, writer, Metrics()).track([an_event(event_id="next")]))[0].duplicate
            for writer in (first, second)
        ]
    assert outcomes == [False, True]
    assert len(store.stream("u")) == 2


async def test_a_change_is_never_taken_for_another_one_of_its_writer(store):
    """A call that ran out of time may leave its change on the way, and the next call reads before it arrives."""
    async with opened(store, clock=lambda: 10**15) as redis_store:
        assert await redis_store.commit([a_change(NOTHING, an_event(event_id="left on the way"))]) == [None]
        (instead,) = await redis_store.commit([a_change(NOTHING, an_event(event_id="the next"))])
        assert instead == await read_one(redis_store)
        base = instead
        assert await redis_store.commit([a_change(base, an_event(event_id="third"))]) == [None]
        assert await redis_store.commit([a_change(base, an_event(event_id="fourth"))]) == [await read_one(redis_store)]


async def test_a_state_with_the_last_revision_of_all_goes_on_from_the_first(store):
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event(event_id="1"))])
        store.set_blob("u", b"\xff" * 8 + store.blob("u")[8:])
        for event_id in "23":
            assert await redis_store.commit([a_change(await read_one(redis_store), an_event(event_id=event_id))]) == [
                None
            ]
        assert (await read_one(redis_store)).state.sessions[0].event_count == 3
    assert store.blob("u")[:6] == (1).to_bytes(6, "big")


@pytest.mark.parametrize("known", [True, False], ids=["a known visitor", "a new one"])
async def test_events_that_cannot_be_logged_change_no_state(store, caplog, known):
    async with opened(store) as redis_store:
        if known:
            await redis_store.commit([a_change(NOTHING, an_event(event_id="1"))])
        base = await read_one(redis_store)
        store.redis.set(stream_key(partition_of("u")), "in the way")
        before = store.everything()
        (refused,) = await redis_store.commit([a_change(base, an_event(event_id="2"))])
        assert isinstance(refused, StoreUnavailableError)
        assert before == store.everything()
    assert "WRONGTYPE" in caplog.text
    assert "WRONGTYPE" not in str(refused)
    assert "{p" not in str(refused)


async def test_the_last_ten_unreadable_states_are_kept_aside(store):
    async with opened(store) as redis_store:
        for number in range(13):
            store.set_blob("u", b"broken %d" % number)
            assert await redis_store.commit([a_change(await read_one(redis_store), an_event(event_id="e"))]) == [None]
    assert store.aside("u") == [b"broken %d" % number for number in range(3, 13)]


async def test_what_is_wrong_with_one_visitors_keys_is_no_one_elses_trouble(store):
    """One holds a list in place of a state, one has something else in place of the list of unreadable states."""
    store.redis.lpush(state_key("foreign"), "a list")
    store.set_blob("damaged", b"damaged")
    store.redis.set(quarantine_key("damaged"), "in the way")
    names = ["a", "foreign", "b", "damaged", "c"]
    async with opened(store) as redis_store:
        for names_read in (names, ["foreign"]):
            snapshots = dict(zip(names_read, await redis_store.read(names_read), strict=True))
            assert str(snapshots["foreign"].damage) == "expected a string, got a key of another type"
        snapshots = await redis_store.read(names)
        assert [snapshot.damage is None for snapshot in snapshots] == [True, False, True, False, True]
        before = {key: value for key, value in store.everything().items() if b"foreign" in key or b"damaged" in key}
        for flush in (False, True):
            if flush:
                store.redis.script_flush()
                store.redis.delete(*(state_key(name) for name in "abc"))
            replies = await redis_store.commit(
                [a_change(base, an_event(name)) for name, base in zip(names, snapshots, strict=True)]
            )
            assert [type(reply) for reply in replies] == [
                type(None),
                StoreUnavailableError,
                type(None),
                StoreUnavailableError,
                type(None),
            ]
    after = {key: value for key, value in store.everything().items() if b"foreign" in key or b"damaged" in key}
    assert before == after
    assert [len(store.stream(name)) for name in "abc"] == [2] * 3


@pytest.mark.parametrize("count", [1, 16, 17, 512, 513, 1_100])
async def test_however_many_are_read_each_gets_its_own(store, count):
    """The first of each hundred is known, the next is damaged, the next holds a list in place of a state, the others are new."""
    names = [f"visitor-{number}" for number in range(count)]
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event(name)) for name in names[::100]])
        for name in names[1::100]:
            store.set_blob(name, b"damaged")
        for name in names[2::100]:
            store.redis.lpush(state_key(name), "a list")
        asked = [*names, *names[:5], names[0]]
        snapshots = await redis_store.read(asked)
    for name, snapshot in zip(asked, snapshots, strict=True):
        kind = int(name.removeprefix("visitor-")) % 100
        if kind == 0:
            assert snapshot == read_snapshot(store.blob(name))
            assert snapshot.state is not None
        else:
            assert (snapshot.state, snapshot.damage is None) == (None, kind > 2)
            assert ("another type" in str(snapshot.damage)) == (kind == 2)
    for name in names[2::100]:
        store.redis.delete(state_key(name))


async def test_many_visitors_are_read_by_few_commands_whether_known_or_new(store):
    async with opened(store) as redis_store:
        await redis_store.commit([a_change(NOTHING, an_event(f"known-{number}")) for number in range(600)])
        for name, expected in (("known", {"mget": 2}), ("new", {"mget": 2, "exists": 1})):
            store.redis.config_resetstat()
            await redis_store.read([f"{name}-{number}" for number in range(600)])
            stats = store.redis.info("commandstats")
            made = {command: stats.get(f"cmdstat_{command}", {}).get("calls") for command in ("get", "mget", "exists")}
            assert {command: calls for command, calls in made.items() if calls} == expected


async def test_a_store_that_refuses_every_read_is_unavailable_not_damaged(store):
    """As one does to a user who may not read."""
    store.redis.acl_setuser(
        "restricted", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all", "-get", "-mget"]
    )
    try:
        url = f"{store.url}?username=restricted&password=secret"
        redis_store = RedisStore(*connect(url), clock=lambda: 0, writer=b"wr", state_ttl_ms=1_000, stream_max_events=0)
        for user_ids in (["u"], ["u", "v"], list("abcdefghijklmnopqrstuvwxyz")):
            with pytest.raises(StoreUnavailableError, match="the store refused the call") as refused:
                await redis_store.read(user_ids)
            assert "restricted" not in str(refused.value)
        await redis_store.close()
    finally:
        store.redis.acl_deluser("restricted")


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
            (full,) = await redis_store.commit([a_change(base, an_event(event_id="2"))])
            assert isinstance(full, StoreFullError)
            assert "out of memory" in str(full)
            store.redis.script_flush()
            replies = await redis_store.commit([a_change(NOTHING, an_event(name)) for name in "abc"])
            assert [type(reply) for reply in replies] == [StoreFullError] * 3
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


async def test_a_call_can_be_cancelled_at_any_moment(store):
    """Deadlines stand on it. Some of these moments are while a connection is made, some while bytes are sent."""
    async with opened(store) as redis_store:
        await redis_store.read(["u"])
        with store.frozen():
            outlived = []
            for steps in range(40):
                task = asyncio.create_task(redis_store.read(["u"] * (1 + steps % 2)))
                for _ in range(steps // 2):
                    await asyncio.sleep(0)
                task.cancel()
                if not (await asyncio.wait([task], timeout=1))[0]:
                    outlived.append(steps)
                    await asyncio.gather(task, return_exceptions=True)
            assert outlived == []


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

    async def open(self) -> None:
        """Be the connection too."""


@pytest.mark.parametrize("version", ["2.8.24", "5.0.14", "6.0.16"])
async def test_a_redis_that_is_too_old_is_refused(version):
    old = RedisStore(
        OldRedis(version), OldRedis(version), clock=lambda: 0, writer=b"wr", state_ttl_ms=1, stream_max_events=0
    )
    with pytest.raises(StoreStartError, match=rf"expected Redis 6\.2 or newer, got {version}"):
        await old.prepare()


@pytest.mark.parametrize("version", ["6.2.14", "7.4.0", "8.0.1", "10.0.0"])
async def test_a_redis_that_is_new_enough_is_taken(version):
    new = RedisStore(
        OldRedis(version), OldRedis(version), clock=lambda: 0, writer=b"wr", state_ttl_ms=1, stream_max_events=0
    )
    assert await new.prepare() == f"Redis {version}"


@pytest.mark.parametrize("url", ["redis://localhost:port", "redis://localhost:99999", "redis://[::1"])
def test_a_url_that_cannot_be_understood_is_refused(url):
    with pytest.raises(StoreStartError, match="redis_url: cannot be understood"):
        connect(url)


async def test_a_store_that_is_not_there_is_refused_by_name(short_directory):
    url = f"unix://{short_directory}/nobody.sock"
    absent = RedisStore(*connect(url), clock=lambda: 0, writer=b"wr", state_ttl_ms=1, stream_max_events=0)
    with pytest.raises(StoreStartError, match="redis_url: the store cannot be used"):
        await absent.prepare()
    await absent.close()


@dataclasses.dataclass
class ClusterNode(OldRedis):
    """Says of itself that it is a node of a cluster."""

    nodes: int

    async def info(self, section: str) -> dict[str, str]:
        return await super().info(section) | {"redis_mode": "cluster"}

    async def cluster(self, _section: str) -> dict[str, str]:
        return {"cluster_size": str(self.nodes)}


async def test_a_part_of_a_cluster_is_refused():
    node = ClusterNode("7.4.0", nodes=3)
    part = RedisStore(node, node, clock=lambda: 0, writer=b"wr", state_ttl_ms=1, stream_max_events=0)
    with pytest.raises(StoreStartError, match="expected a server that holds every key, got one of a cluster of 3"):
        await part.prepare()


async def test_a_cluster_of_one_node_serves(tmp_path, short_directory, unused_tcp_port_factory):
    """As some hosted ones are; an MGET may not ask it for keys of several partitions."""
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
            await asyncio.sleep(0.01)
        async with opened(store) as redis_store:
            names = [f"visitor-{number}" for number in range(100)]
            changes = [a_change(NOTHING, an_event(name)) for name in names]
            assert await redis_store.commit(changes) == [None] * 100
            assert [snapshot.state for snapshot in await redis_store.read(names)] == [
                change.state for change in changes
            ]
