"""One socket: bytes out, replies in."""

from __future__ import annotations

import os
import socket
import time

import pytest
from hiredis import ProtocolError
from hypothesis import given
from hypothesis import strategies as st

from presage_server.store.resp import ReplyError
from presage_server.store.wire import Wire

REPLIES = {
    b"+OK\r\n": b"OK",
    b"$-1\r\n": None,
    b"$3\r\na\r\n\r\n": b"a\r\n",
    b":7\r\n": 7,
    b"*2\r\n$1\r\na\r\n*0\r\n": [b"a", []],
    b"$0\r\n\r\n": b"",
}


@pytest.fixture
def ends():
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    yield wire, theirs
    wire.close()
    theirs.close()


@given(encoded=st.lists(st.sampled_from(list(REPLIES)), max_size=20), cuts=st.lists(st.integers(1, 30), min_size=1))
def test_replies_arrive_whole_and_in_order_however_they_are_cut(encoded, cuts):
    ours, theirs = socket.socketpair()
    wire = Wire(ours)
    data, replies, part = b"".join(encoded), [], 0
    while data:
        theirs.send(data[: cuts[part % len(cuts)]])
        data = data[cuts[part % len(cuts)] :]
        replies += wire.read()
        part += 1
    assert replies == [REPLIES[reply] for reply in encoded]
    wire.close()
    theirs.close()


def test_an_error_among_replies_is_one_of_them(ends):
    wire, theirs = ends
    theirs.send(b"+OK\r\n-WRONGTYPE no\r\n+OK\r\n")
    first, error, last = wire.read()
    assert (first, str(error), last) == (b"OK", "WRONGTYPE no", b"OK")
    assert isinstance(error, ReplyError)


def test_reading_waits_only_if_it_is_to_and_not_long(ends):
    wire, _ = ends
    started = time.monotonic()
    assert wire.read() == []
    assert wire.read(block=True) == []
    wire.wait(0.001)
    assert time.monotonic() - started < 5


def test_more_than_one_read_brings_at_once_is_read(ends):
    wire, theirs = ends
    large = bytes(100_000)
    theirs.sendall(b"$100000\r\n" + large + b"\r\n+OK\r\n")
    replies = wire.read()
    while len(replies) < 2:
        replies += wire.read()
    assert replies == [large, b"OK"]


def test_what_the_socket_does_not_take_goes_before_what_is_written_later(ends):
    wire, theirs = ends
    data = os.urandom(1_000_000)
    wire.write(data)
    assert not wire.writable
    wire.write(b"later")
    theirs.setblocking(False)
    received = b""
    while len(received) < len(data) + 5:
        received += theirs.recv(1 << 20)
        wire.write()
    assert received == data + b"later"
    assert wire.writable


@pytest.mark.parametrize("data", [b"hello\r\n", b"$-5\r\n", b":x\r\n"])
def test_what_is_no_reply_is_an_error(ends, data):
    wire, theirs = ends
    theirs.send(data)
    with pytest.raises(ProtocolError):
        wire.read()


def test_a_closed_connection_is_an_error(ends):
    wire, theirs = ends
    theirs.close()
    with pytest.raises(OSError, match="the store closed the connection"):
        wire.read()
    with pytest.raises(OSError, match="Broken pipe"):
        wire.write(b"x")
