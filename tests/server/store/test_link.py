"""The connection that all calls share, over a real store, rough roads, and servers that misbehave."""

from __future__ import annotations

import random
from collections import Counter
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from presage_server.store.connecting import Connector
from presage_server.store.link import Link
from presage_server.store.resp import ReplyError, encode
from support.proxies import Road, in_thread, rough_proxy
from support.scripted_store import greets, scripted
from support.stores import GENEROUS_SECONDS, address_of, ask, ask_all, linked, run_until

NAMES = [f"key-{number}" for number in range(50)]
OK = [b"OK"]


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
    # The greeting's replies are 31 bytes: some connections break in them.
    breaks = draw(st.lists(st.integers(0, 400), max_size=4))
    return Road(pieces_bytes=[*pieces, 200], pauses_ms=pauses, breaks_after_bytes=breaks)


@settings(max_examples=60)
@given(road=a_road(), seed=st.integers(0, 1 << 32))
def test_no_reply_ever_reaches_another_caller(shared_store, road, seed):
    """Wherever connections break: each key holds its own name, and each request is answered once."""
    shared_store.redis.mset({name: name for name in NAMES})
    descriptors = open_descriptors()
    with in_thread(rough_proxy(shared_store, road)) as url, linked(url, opened=False, timeout_seconds=60.0) as link:
        read_over(link, road, random.Random(seed))
    # Others may go meanwhile: what earlier tests left to the garbage collector.
    assert open_descriptors() <= descriptors


def open_descriptors() -> set[tuple[str, str]]:
    """List them with what they lead to."""
    found = set()
    for descriptor in Path("/dev/fd").iterdir():
        with suppress(FileNotFoundError):  # that of the listing itself
            found.add((descriptor.name, str(descriptor.readlink())))
    return found


def read_over(link: Link, road: Road, chance: random.Random) -> None:
    ended: Counter[int] = Counter()
    failed = 0

    def read(number: int, names: list[str], *, repeatable: bool) -> None:
        def on_replies(replies: list[object] | None) -> None:
            nonlocal failed
            ended[number] += 1
            if replies is None:
                failed += 1
            else:
                assert replies == [name.encode() for name in names]

        payload = b"".join(encode("GET", name.encode()) for name in names)
        link.send(payload, len(names), on_replies, repeatable=repeatable)

    for number in range(60):
        names = chance.choices(NAMES, k=chance.choice([1, 1, 1, 5]))
        read(number, names, repeatable=chance.random() < 0.7)
        if chance.random() < 0.3:
            link.pump(chance.choice([0.0, 0.0, 0.001]))
    run_until(link, lambda: len(ended) == 60)
    if not road.breaks_after_bytes:
        assert failed == 0
    for number in range(60, 60 + len(road.breaks_after_bytes)):  # by then every connection that was to break has
        read(number, NAMES, repeatable=True)
        run_until(link, lambda: not link.pending)
    run_until(link, lambda: not link.down)
    failed = 0
    read(1_000, NAMES, repeatable=True)
    run_until(link, lambda: not link.pending)
    assert failed == 0
    assert set(ended.values()) == {1}
    assert link._pending_bytes == 0


def test_what_one_turn_sends_goes_out_in_one_write():
    with in_thread(scripted(greets(b"$1\r\nx\r\n" * 100))) as (url, seen), linked(url) as link:
        came = []
        for number in range(100):
            link.send(encode("GET", b"%d" % number), 1, came.append)
        run_until(link, lambda: len(came) == 100)
        assert came == [[b"x"]] * 100
        assert [request.count(b"GET") for request in seen] == [0, 100]


def test_a_request_that_a_callback_sends_leaves_in_the_same_turn(named):
    with linked(named.url) as link:
        came = []
        link.send(encode("GET", b"key-0"), 1, lambda _: link.send(encode("GET", b"key-1"), 1, came.append))
        run_until(link, lambda: link._awaited and link._awaited[0].payload == encode("GET", b"key-1"))
        assert not link._unsent
        run_until(link, lambda: came)
        assert came == [[b"key-1"]]


def test_an_error_is_the_reply_to_its_command_alone(named):
    with linked(named.url) as link:
        replies = ask_all(link, encode("GET", b"key-0"), encode("LPUSH", "key-1", "x"), encode("GET", b"key-2"))
        assert (replies[0], str(replies[1])[:9], replies[2]) == (b"key-0", "WRONGTYPE", b"key-2")
        assert isinstance(replies[1], ReplyError)


@pytest.mark.parametrize(
    "odd",
    [b"$1\r\nx\r\n$1\r\ny\r\n", b"hello\r\n", b":1\r\n!\r\n", b"$-5\r\n"],
    ids=["two replies to one request", "no reply", "a reply and no other", "a length that cannot be"],
)
def test_a_connection_that_sends_what_is_no_reply_to_a_request_is_used_no_more(odd):
    """The second connection's reply is what counts, where the first one's was none."""

    def answer(request: bytes, number: int) -> bytes:
        return odd if number == 0 else b"$1\r\nz\r\n"

    with in_thread(scripted(greets(answer))) as (url, seen), linked(url) as link:
        assert ask(link, "GET", "a") in {b"x", b"z", 1}
        run_until(link, lambda: sum(b"SETNAME" in request for request in seen) == 2)
        assert ask(link, "GET", "b") == b"z"


def test_what_a_callback_raises_is_not_taken_for_a_fault_of_the_store(named):
    def broken(_: object) -> None:
        raise IndexError("broken")

    with linked(named.url) as link:
        link.send(encode("PING"), 1, broken)
        with pytest.raises(IndexError, match="broken"):
            run_until(link, lambda: not link.pending)
        assert ask(link, "GET", "key-1") == b"key-1"


def test_a_request_is_sent_once_more_and_not_more_often():
    with in_thread(scripted(greets(None))) as (url, seen), linked(url) as link:
        assert ask_all(link, encode("GET", "a")) is None
        assert [request for request in seen if b"SETNAME" not in request] == [encode("GET", b"a")] * 2


def test_a_request_that_must_not_run_twice_is_sent_once():
    with in_thread(scripted(greets(None))) as (url, seen), linked(url) as link:
        assert ask_all(link, encode("GET", "a"), repeatable=False) is None
        assert [request for request in seen if b"SETNAME" not in request] == [encode("GET", b"a")]


def test_a_closed_link_fails_its_requests_and_stays_closed(named):
    came = []
    with linked(named.url) as link:
        with named.frozen():
            link.send(encode("PING"), 1, came.append)
            link.pump()
            link.send(encode("PING"), 1, came.append)
            link.close()
        assert came == [None] * 2
        link.send(encode("PING"), 1, came.append)
        assert came == [None] * 3
        link.pump(0.001)
        assert not link.pending
    with linked(named.url, opened=False) as link:
        link.send(encode("PING"), 1, came.append)  # while it connects
        link.close()
    assert came == [None] * 4


def test_a_link_that_cannot_be_opened_says_why(short_directory):
    link = Link(Connector(address_of(f"unix://{short_directory}/nobody.sock")))
    with pytest.raises(FileNotFoundError):
        link.open(GENEROUS_SECONDS)
    link.close()
