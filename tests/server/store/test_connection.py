"""The connection that all calls share: no reply ever reaches another caller, whoever gives up and whatever breaks."""

from __future__ import annotations

import asyncio
from random import Random

import hiredis
import pytest
import uvloop
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from presage_server.errors import StoreUnavailableError
from presage_server.store import connection as module
from presage_server.store.connection import ConnectionLostError, SharedConnection
from support.proxies import disturbed, silent_store

NAMES = [f"name-{number}".encode() for number in range(50)]


@pytest.fixture
def named(store):
    """A store in which each key holds its own name, several times over."""
    store.redis.mset({name: name * 9 for name in NAMES})
    return store


async def ask(connection: SharedConnection, random: Random) -> str:
    """Ask for some keys, give up now and then, and check that what comes is what was asked for."""
    names = random.sample(NAMES, random.randint(1, 4))
    commands = [("GET", name) for name in names]
    try:
        async with asyncio.timeout(random.choice((None, 0.0, 0.0005, 0.002, 5.0))):
            if len(names) == 1:
                replies = [await connection.execute(commands[0])]
            else:
                replies = await connection.execute_all(commands)
    except TimeoutError:
        return "gave up"
    except StoreUnavailableError:
        return "lost"
    assert replies == [name * 9 for name in names]
    return "answered"


async def storm(url: str, seed: int, callers: int) -> list[str]:
    """Have callers ask many times, all at once; whoever gives up, the others are answered."""
    random = Random(seed)
    connection = SharedConnection(url)

    async def caller(number: int) -> list[str]:
        mine = Random(f"{seed}-{number}")
        outcomes = []
        for _ in range(12):
            outcomes.append(await ask(connection, mine))
            await asyncio.sleep(mine.choice((0, 0, 0.001)))
        return outcomes

    tasks = [asyncio.create_task(caller(number)) for number in range(callers)]
    await asyncio.sleep(random.random() * 0.005)
    random.choice(tasks).cancel()
    outcomes = await asyncio.gather(*tasks, return_exceptions=True)
    await connection.close()
    assert [one for one in outcomes if isinstance(one, Exception)] == []
    return [outcome for one in outcomes if isinstance(one, list) for outcome in one]


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run], ids=["asyncio", "uvloop"])
@settings(max_examples=15, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(seed=st.integers(0, 10**6), break_share=st.sampled_from([0.0, 0.002, 0.05]))
def test_a_reply_never_reaches_another_caller(named, run, seed, break_share):
    async def scene():
        async with disturbed(named, seed=seed, break_share=break_share) as network:
            outcomes = await asyncio.wait_for(storm(network.url, seed, callers=12), 60)
        assert "answered" in outcomes or network.broken
        # The network's own tasks end with it; the connection leaves none.
        assert len(asyncio.all_tasks()) == 1

    run(scene())


async def test_requests_of_one_tick_go_out_in_one_write(named, monkeypatch):
    connection = SharedConnection(named.url)
    await connection.execute(("PING",))
    writes = []
    transport = connection._link._transport
    monkeypatch.setattr(connection._link, "_transport", Recorder(transport, writes))
    await asyncio.gather(*(connection.execute(("GET", name)) for name in NAMES))

    assert len(writes) == 1
    monkeypatch.undo()
    await connection.close()


class Recorder:
    """Notes what is written."""

    def __init__(self, transport, writes):
        self._transport = transport
        self._writes = writes

    def write(self, data):
        self._writes.append(data)
        self._transport.write(data)


async def test_an_error_is_a_reply_like_others(named):
    connection = SharedConnection(named.url)
    first, error, last = await connection.execute_all([("GET", NAMES[0]), ("INCR", NAMES[1]), ("GET", NAMES[2])])
    await connection.close()

    assert isinstance(error, hiredis.ReplyError)
    assert (first, last) == (NAMES[0] * 9, NAMES[2] * 9)


async def test_a_store_that_is_not_there_is_refused_at_once_and_found_when_it_is_back(named):
    connection = SharedConnection(named.url)
    assert await connection.execute(("GET", NAMES[0]))
    named.stop()
    for _ in range(50):
        with pytest.raises(StoreUnavailableError):
            await connection.execute(("GET", NAMES[0]))
    named.start()
    async with asyncio.timeout(20):
        while True:
            try:
                assert await connection.execute(("PING",)) == b"PONG"
                break
            except StoreUnavailableError:
                await asyncio.sleep(0.01)
    await connection.close()


async def test_a_connection_on_which_nothing_comes_is_given_up(monkeypatch):
    monkeypatch.setattr(module, "_HUNG_SECONDS", 0.1)
    monkeypatch.setattr(module, "_introduce", lambda *_: asyncio.sleep(0))
    async with silent_store() as (url, _):
        connection = SharedConnection(url)
        with pytest.raises(ConnectionLostError):
            await asyncio.wait_for(connection.execute(("GET", "a")), 20)
        await connection.close()


async def test_too_many_who_wait_are_refused_at_once(monkeypatch):
    monkeypatch.setattr(module, "_MOST_WAITING", 3)
    monkeypatch.setattr(module, "_introduce", lambda *_: asyncio.sleep(0))
    async with silent_store() as (url, asked):
        connection = SharedConnection(url)
        waiting = [asyncio.create_task(connection.execute(("GET", "a"))) for _ in range(3)]
        await asked.wait()
        with pytest.raises(StoreUnavailableError, match="behind by too many"):
            await connection.execute(("GET", "a"))
        await connection.close()
        assert {type(error) for error in await asyncio.gather(*waiting, return_exceptions=True)} == {
            ConnectionLostError
        }


async def test_a_password_and_a_database_are_used(named):
    named.redis.acl_setuser("caller", enabled=True, passwords=["+secret"], keys=["*"], commands=["+@all"])
    try:
        connection = SharedConnection(f"{named.url}?username=caller&password=secret&db=3")
        assert await connection.execute(("ACL", "WHOAMI")) == b"caller"
        assert await connection.execute(("GET", NAMES[0])) is None
        await connection.close()
        wrong = SharedConnection(f"{named.url}?username=caller&password=wrong")
        with pytest.raises(StoreUnavailableError, match="refuses the login"):
            await wrong.execute(("PING",))
        await wrong.close()
    finally:
        named.redis.acl_deluser("caller")
