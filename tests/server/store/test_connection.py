"""The connection that all calls share, over a real store, rough roads, and servers that misbehave."""

from __future__ import annotations

import asyncio
import logging
import random
import re
import shutil
import ssl
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import replace
from pathlib import Path

import pytest
import uvloop
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_server.errors import StoreStartError, StoreUnavailableError
from presage_server.store.connection import Connection
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.resp import ReplyError, encode, encode_get
from support.proxies import Road, listening, rough_proxy, silent_store
from support.running_server import GENEROUS_SECONDS

LOOPS = {"asyncio": asyncio.new_event_loop, "uvloop": uvloop.new_event_loop}
NAMES = [f"key-{number}" for number in range(50)]
OK = [b"OK"]


@asynccontextmanager
async def connected(url: str, **options) -> AsyncIterator[Connection]:
    redis, connection = connect(url)
    connection = Connection(connection._address, **options)
    try:
        yield connection
    finally:
        await connection.close()
        await redis.aclose(close_connection_pool=True)


async def ask(connection: Connection, *words: str) -> object:
    (reply,) = await asyncio.wait_for(connection.call(encode(*words)), GENEROUS_SECONDS)
    return reply


@pytest.fixture
def named(shared_store):
    """A store in which each key holds its own name."""
    shared_store.redis.flushall()
    shared_store.redis.mset({name: name for name in NAMES})
    return shared_store


@st.composite
def a_road(draw) -> Road:
    pieces = draw(st.lists(st.sampled_from([1, 3, 17, 100, 1 << 16]), min_size=1, max_size=4))
    pauses = draw(st.lists(st.sampled_from([0, 0, 0, 0, 1]), min_size=1, max_size=10))
    breaks = draw(st.lists(st.integers(0, 400), max_size=4))
    return Road(pieces_bytes=[*pieces, 200], pauses_ms=pauses, breaks_after_bytes=breaks)


@pytest.mark.parametrize("loop", LOOPS)
@settings(max_examples=40)
@given(road=a_road(), seed=st.integers(0, 1 << 32))
def test_no_reply_is_ever_given_to_another_caller(shared_store, loop, road, seed):
    """Whoever gives up, at whatever moment, and wherever connections break: each key holds its own name."""
    shared_store.redis.mset({name: name for name in NAMES})
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(asyncio.sleep(0))
    descriptors = open_descriptors()  # a process's first loop has some for ever
    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(calls_over(shared_store, road, random.Random(seed)))
    # Others may go meanwhile: what earlier tests left to the garbage collector.
    assert open_descriptors() <= descriptors


def open_descriptors() -> set[tuple[str, str]]:
    """List them with what they lead to."""
    found = set()
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add((descriptor.name, str(descriptor.readlink())))
    return found


async def calls_over(store, road: Road, chance: random.Random) -> None:
    outcomes = []

    async def read(connection: Connection, names: list[str]) -> None:
        try:
            replies = await connection.call(b"".join(encode_get(name.encode()) for name in names), len(names))
        except asyncio.CancelledError:
            outcomes.append("cancelled")
            raise
        except StoreUnavailableError:
            outcomes.append("failed")
        else:
            assert replies == [name.encode() for name in names]
            outcomes.append("answered")

    async with rough_proxy(store, road) as url:
        async with connected(url, patience_seconds=GENEROUS_SECONDS) as connection:
            tasks = []
            for _ in range(60):
                names = chance.choices(NAMES, k=chance.choice([1, 1, 1, 5]))
                tasks.append(asyncio.create_task(read(connection, names)))
                if chance.random() < 0.4:
                    asyncio.get_running_loop().call_later(chance.uniform(0, 0.004), chance.choice(tasks).cancel)
                if chance.random() < 0.3:
                    await asyncio.sleep(chance.choice([0, 0, 0.001]))
            ended = await asyncio.wait_for(asyncio.gather(*tasks, return_exceptions=True), GENEROUS_SECONDS)
            assert [end for end in ended if not isinstance(end, asyncio.CancelledError | None)] == []
            if not road.breaks_after_bytes:
                assert "failed" not in outcomes
            for _ in road.breaks_after_bytes:  # by then every connection that was to break has
                await read(connection, NAMES)
            outcomes.clear()
            await read(connection, NAMES)
            assert outcomes == ["answered"]
        left = [task.get_coro().__qualname__ for task in asyncio.all_tasks()]
        assert [name for name in left if "Connection" in name] == []
    assert asyncio.all_tasks() == {asyncio.current_task()}


@asynccontextmanager
async def scripted(
    answer: Callable[[bytes, int], bytes | None], tls: ssl.SSLContext | None = None
) -> AsyncIterator[tuple[str, list[bytes]]]:
    """A server that answers each request by a function of it and of the connection's number, None: it hangs up.

    Answers with its URL, and with all it was sent.
    """
    seen: list[bytes] = []
    number = iter(range(1_000_000))

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        mine = next(number)
        try:
            while request := await reader.read(1 << 20):
                seen.append(request)
                reply = answer(request, mine)
                if reply is None:
                    return
                writer.write(reply)
        finally:
            writer.close()

    async with listening(serve, tls) as port:
        yield f"redis://127.0.0.1:{port}", seen


def greets(reply: bytes | None) -> Callable[[bytes, int], bytes | None]:
    """Greet, and then answer each request in the same way."""
    return lambda request, _: b"+OK\r\n" if b"SETNAME" in request else reply


@pytest.mark.parametrize("loop", LOOPS)
def test_what_one_tick_brings_goes_out_in_one_write(loop):
    async def story() -> None:
        async with scripted(greets(b"$1\r\nx\r\n" * 100)) as (url, seen), connected(url) as connection:
            await connection.open()
            replies = await asyncio.gather(*(connection.call(encode_get(b"%d" % number)) for number in range(100)))
            assert replies == [[b"x"]] * 100
            assert [request.count(b"GET") for request in seen] == [0, 100]

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(story())


async def test_calls_that_are_cancelled_before_they_are_sent_are_not(named):
    async with connected(named.url) as connection:
        before = named.redis.info("stats")["total_commands_processed"]
        await ask(connection, "PING")  # and the greeting
        calls = [connection.call(encode_get(name.encode())) for name in NAMES]
        for call in calls[1:]:
            call.cancel()
        assert await calls[0] == [b"key-0"]
        assert named.redis.info("stats")["total_commands_processed"] - before == 4


async def test_a_cancelled_call_costs_nobody_the_connection(named):
    async with connected(named.url) as connection:
        first = await ask(connection, "CLIENT", "ID")
        with named.frozen():
            calls = [connection.call(encode_get(name.encode())) for name in NAMES]
            await asyncio.sleep(0.01)
            for call in calls[:-1]:
                call.cancel()
        assert await calls[-1] == [NAMES[-1].encode()]
        assert await ask(connection, "CLIENT", "ID") == first


async def test_an_error_is_the_reply_to_its_command_alone(named):
    async with connected(named.url) as connection:
        replies = await connection.call(
            encode_get(b"key-0") + encode("LPUSH", "key-1", "x") + encode_get(b"key-2"), replies=3
        )
        assert (replies[0], str(replies[1])[:9], replies[2]) == (b"key-0", "WRONGTYPE", b"key-2")
        assert isinstance(replies[1], ReplyError)


@pytest.mark.parametrize(
    "odd",
    [b"$1\r\nx\r\n$1\r\ny\r\n", b"hello\r\n", b":1\r\n!\r\n", b"$-5\r\n"],
    ids=["two replies to one request", "no reply", "a reply and no other", "a length that cannot be"],
)
async def test_a_connection_that_brings_what_nobody_asked_for_is_used_no_more(odd, caplog):
    """The second connection's answer is what counts, where the first one's was none."""

    def answer(request: bytes, number: int) -> bytes:
        if b"SETNAME" in request:
            return b"+OK\r\n"
        return odd if number == 0 else b"$1\r\nz\r\n"

    async with scripted(answer) as (url, seen), connected(url) as connection:
        first = await ask(connection, "GET", "a")
        assert first in {b"x", b"z", 1}
        for _ in range(100):
            if sum(b"SETNAME" in request for request in seen) == 2:
                break
            await asyncio.sleep(0.01)
        assert await ask(connection, "GET", "b") == b"z"
    assert "asyncio" not in {record.name for record in caplog.records}, "expected no error that the loop had to catch"


async def test_a_call_is_sent_once_more_and_not_more_often():
    async with scripted(greets(None)) as (url, seen), connected(url) as connection:
        with pytest.raises(StoreUnavailableError, match="the store does not answer"):
            await ask(connection, "GET", "a")
        assert [request for request in seen if b"SETNAME" not in request] == [encode_get(b"a")] * 2


async def test_a_server_that_hangs_up_at_once_is_not_hammered():
    def answer(request: bytes, _: int) -> bytes | None:
        return b"+OK\r\n" if b"SETNAME" in request else None

    async with scripted(answer) as (url, seen), connected(url) as connection:
        loop = asyncio.get_running_loop()
        started = loop.time()
        while loop.time() - started < 0.3:
            with pytest.raises(StoreUnavailableError):
                await ask(connection, "GET", "a")
        assert len(seen) / 2 < 15 + (loop.time() - started) / 0.01


async def test_a_store_that_is_down_is_not_hammered_and_used_as_soon_as_it_is_back(short_directory):
    from support.stores import local_store

    with local_store(short_directory / "away.sock") as store:
        async with connected(store.url) as connection:
            assert await ask(connection, "PING") == b"PONG"
            for _ in range(3):
                store.stop()
                for _ in range(20):
                    with pytest.raises(StoreUnavailableError):
                        await ask(connection, "PING")
                store.start()
                assert await ask(connection, "PING") == b"PONG"


async def test_calls_do_not_wait_long_for_a_connection_that_is_not_made():
    async with silent_store() as (url, asked), connected(url, patience_seconds=0.05) as connection:
        calls = [connection.call(encode("PING")) for _ in range(3)]
        for call in calls:
            with pytest.raises(StoreUnavailableError):
                await call
        assert asked.is_set()
        with pytest.raises(StoreUnavailableError):
            connection.call(encode("PING"))


async def test_a_silent_connection_is_given_up_and_the_call_goes_by_another_one():
    """As after a host went away without a word."""

    def answer(request: bytes, number: int) -> bytes:
        if b"SETNAME" in request:
            return b"+OK\r\n"
        return b"" if number == 0 else b"$1\r\nx\r\n"

    async with scripted(answer) as (url, _), connected(url, look_seconds=0.02) as connection:
        assert await ask(connection, "GET", "a") == b"x"


async def test_a_store_that_is_slow_but_answers_keeps_its_connection(named):
    async with connected(named.url, look_seconds=0.2) as connection:
        first = await ask(connection, "CLIENT", "ID")
        blocked = connection.call(encode("BLPOP", "nothing", "0.05"))  # shorter than three looks
        assert await blocked == [None]
        await asyncio.sleep(0.8)  # nothing is asked, so nothing is missed
        assert await ask(connection, "CLIENT", "ID") == first


async def test_a_hung_store_gets_no_more_than_fits(named):
    """One call alone is taken whatever its size."""
    async with connected(named.url, max_pending_bytes=10_000) as connection:
        assert await ask(connection, "SET", "big", "x" * 100_000) == b"OK"
        with named.frozen():
            calls = []
            for _ in range(20):
                calls.append(connection.call(encode_get(b"key-0")))
                await asyncio.sleep(0)
            calls += [connection.call(encode_get(b"key-0")) for _ in range(10)]  # not sent yet
            with pytest.raises(StoreUnavailableError, match="the store is behind with its answers"):
                connection.call(encode("SET", "key-0", "x" * 2_000))
        assert await asyncio.gather(*calls) == [[b"key-0"]] * len(calls)
        assert await ask(connection, "GET", "key-1") == b"key-1"


@pytest.mark.parametrize("loop", LOOPS)
def test_what_the_store_does_not_take_is_held_back(named, loop):
    async def story() -> None:
        async with connected(named.url) as connection:
            await connection.open()
            wire = connection._wire
            with named.frozen():
                calls = []
                while wire.writable:
                    calls.append(connection.call(encode("SET", f"big-{len(calls)}", "x" * 100_000)))
                    await asyncio.sleep(0)
                sent = len(calls)
                calls += [connection.call(encode("SET", f"big-{number}", "x")) for number in range(sent, sent + 20)]
                await asyncio.sleep(0.01)
                for call in calls[sent + 10 :]:
                    call.cancel()
            assert await asyncio.gather(*calls[: sent + 10]) == [OK] * (sent + 10)
        assert named.redis.exists(*(f"big-{number}" for number in range(sent + 20))) == sent + 10

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(story())


async def test_a_closed_connection_fails_its_calls_and_stays_closed(named):
    async with connected(named.url) as connection:
        await connection.open()
        with named.frozen():
            waiting = connection.call(encode("PING"))
            await asyncio.sleep(0)
            await connection.close()
            with pytest.raises(StoreUnavailableError):
                await waiting
        with pytest.raises(StoreUnavailableError):
            connection.call(encode("PING"))
    async with connected(named.url) as connection:
        waiting = connection.call(encode("PING"))  # while it connects
        await connection.close()
        with pytest.raises(StoreUnavailableError):
            await waiting
    assert asyncio.all_tasks() == {asyncio.current_task()}


async def test_who_one_is_where_and_what_one_is_called(store):
    store.redis.acl_setuser("someone", enabled=True, passwords=["+p@ss w0rd"], keys=["*"], commands=["+@all"])
    try:
        async with connected(f"{store.url}?username=someone&password=p%40ss+w0rd&db=3") as connection:
            assert await ask(connection, "SET", "here", "x") == b"OK"
            assert await ask(connection, "ACL", "WHOAMI") == b"someone"
            shown = (await ask(connection, "CLIENT", "LIST", "ID", str(await ask(connection, "CLIENT", "ID")))).decode()
            assert re.search(r"\bname=presage\b", shown)
            assert re.search(r"\bdb=3\b", shown)
    finally:
        store.redis.acl_deluser("someone")
    assert store.redis.exists("here") == 0


async def test_a_login_that_is_refused_fails_calls_and_is_told_once(store, caplog):
    async with connected(f"{store.url}?username=nobody&password=secret") as connection:
        for _ in range(3):
            with pytest.raises(StoreUnavailableError) as failed:
                await ask(connection, "PING")
            assert "WRONGPASS" not in str(failed.value)
    told = [record.getMessage() for record in caplog.records if record.levelno == logging.WARNING]
    assert len(told) == 1
    assert "WRONGPASS" in told[0]
    assert "secret" not in repr(connection._address)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            "unix:///run/v.sock",
            {"path": "/run/v.sock", "tls": False, "db": 0, "username": "", "client_name": "presage"},
        ),
        ("redis://h", {"path": "", "host": "h", "port": 6379, "tls": False}),
        ("redis://u:p%40@h:1/2", {"host": "h", "port": 1, "username": "u", "password": "p@", "db": 2}),
        ("redis://:p@h?db=4&client_name=me", {"username": "", "password": "p", "db": 4, "client_name": "me"}),
        ("rediss://h?ssl_cert_reqs=none&socket_connect_timeout=0.5", {"tls": True, "connect_seconds": 0.5}),
        ("redis://h?socket_keepalive=no", {"socket_options": None}),
    ],
)
async def test_urls_mean_what_they_mean_to_redis_py(url, expected):
    redis, connection = connect(url)
    address = connection._address
    shown = {name: getattr(address, name) for name in expected}
    assert shown | {"tls": address.tls is not None} == {"tls": False} | expected
    await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize(
    "url", ["redis://h?nonsense=1", "rediss://h?ssl_ca_certs=/nowhere", "rediss://h?ssl_cert_reqs=x"]
)
def test_options_that_cannot_work_are_refused(url):
    with pytest.raises(StoreStartError, match="redis_url: cannot be understood"):
        connect(url)


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
@pytest.mark.parametrize("loop", LOOPS)
def test_an_encrypted_store(loop, tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)

    async def story() -> None:
        async with scripted(greets(b"$1\r\nx\r\n"), tls) as (url, _):
            encrypted = url.replace("redis:", "rediss:")
            async with connected(f"{encrypted}?ssl_ca_certs={certificate}") as connection:
                assert await ask(connection, "GET", "a") == b"x"
            async with connected(encrypted) as connection:  # nobody vouches for it
                with pytest.raises(StoreUnavailableError):
                    await ask(connection, "GET", "a")

    with asyncio.Runner(loop_factory=LOOPS[loop]) as runner:
        runner.run(story())


async def test_a_name_that_no_host_can_have_fails_calls(caplog):
    async with connected("redis://localhost") as local:
        connection = Connection(replace(local._address, host="a" * 64 + ".invalid"))
        with pytest.raises(StoreUnavailableError):
            await ask(connection, "PING")
        await connection.close()
    assert "cannot be connected to" in caplog.text


async def test_a_store_that_does_not_let_the_connection_in_cannot_be_prepared(store):
    redis, connection = connect(store.url)
    connection = Connection(replace(connection._address, password="wrong", username="nobody"))
    refused = RedisStore(redis, connection, clock=lambda: 0, writer=b"wr", state_ttl_ms=1, stream_max_events=0)
    with pytest.raises(StoreStartError, match="redis_url: the store cannot be used: WRONGPASS"):
        await refused.prepare()
    await refused.close()
