"""Connections to the store: where they lead, how they log in, and what becomes of a server that is not a primary."""

from __future__ import annotations

import asyncio
import logging
import re
import shutil
import ssl
import subprocess
import time
import traceback
from contextlib import closing
from dataclasses import replace
from functools import partial

import pytest

from presage_server.errors import StoreStartError
from presage_server.eventlog.connecting import connect as connect_reader
from presage_server.eventlog.errors import EventLogStoreError
from presage_server.store.checking import connect
from presage_server.store.connecting import Connector, NotPrimaryError
from presage_server.store.link import Link
from presage_server.store.resp import ReplyError, encode
from support.proxies import in_thread, silent_store
from support.scripted_store import GREETING, greets, scripted
from support.stores import GENEROUS_SECONDS, address_of, ask, ask_all, linked, local_store, run_until


def test_credentials_database_and_name_are_those_of_the_url(store):
    store.redis.acl_setuser("someone", enabled=True, passwords=["+p@ss w0rd"], keys=["*"], commands=["+@all"])
    try:
        with linked(f"{store.url}?username=someone&password=p%40ss+w0rd&db=3") as link:
            assert ask(link, "SET", "here", "x") == b"OK"
            assert ask(link, "ACL", "WHOAMI") == b"someone"
            shown = ask(link, "CLIENT", "LIST", "ID", str(ask(link, "CLIENT", "ID"))).decode()
            assert re.search(r"\bname=presage\b", shown)
            assert re.search(r"\bdb=3\b", shown)
    finally:
        store.redis.acl_deluser("someone")
    assert store.redis.exists("here") == 0


def test_a_rejected_login_fails_requests_and_is_logged_once(store, caplog):
    with linked(f"{store.url}?username=nobody&password=secret", opened=False) as link:
        for _ in range(3):
            assert ask_all(link, encode("PING")) is None
            time.sleep(0.05)
        assert "secret" not in repr(link._connector._address)
    logged = [record.getMessage() for record in caplog.records if "cannot be connected to" in record.getMessage()]
    assert len(logged) == 1
    assert "WRONGPASS" in logged[0]
    assert "secret" not in caplog.text
    outages = [record for record in caplog.records if "does not answer" in record.getMessage()]
    assert len(outages) == 1


def test_a_login_that_is_rejected_keeps_a_link_from_being_opened(store):
    link = Link(Connector(replace(address_of(store.url), username="nobody", password="wrong")))
    with pytest.raises(ReplyError, match="WRONGPASS"):
        link.open(GENEROUS_SECONDS)
    link.close()


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
    redis, address = connect(url)
    shown = {name: getattr(address, name) for name in expected}
    assert shown | {"tls": address.tls is not None} == {"tls": False} | expected
    await redis.aclose(close_connection_pool=True)


@pytest.mark.parametrize(
    "url",
    [
        "redis://h?nonsense=1",
        "rediss://h?ssl_ca_certs=/nowhere",
        "rediss://h?ssl_cert_reqs=x",
        "redis://localhost:port",
        "redis://localhost:99999",
        "redis://[::1",
    ],
)
def test_urls_that_cannot_work_are_rejected(url):
    with pytest.raises(StoreStartError, match="redis_url: cannot be understood"):
        connect(url)


@pytest.mark.parametrize(
    "url",
    [
        "redis://:S3cr3t/Tr0ub@host:6379",
        "redis://:S3cr3t#Tr0ub@host",
        "redis://:S3cr3t?Tr0ub@host",
        "redis://user:S3cr3t/Tr0ub",
        "redis://user:1234:S3cr3t@Tr0ub/x@host",
        "redis://user:1234?Tr0ub@host",
        "redis://host?password=S3cr3t&db=Tr0ub&nonsense=1",
        "rediss://user:S3cr3t/Tr0ub@[host",
    ],
)
@pytest.mark.parametrize(
    "connecting",
    [connect, partial(connect_reader, client_name="reader", timeout_seconds=1.0)],
    ids=["server", "reader"],
)
def test_no_part_of_a_password_is_shown(url, connecting):
    """Also where a character in it ends a part of the URL, so that the rest is taken for a port or a path."""
    with pytest.raises((StoreStartError, EventLogStoreError)) as caught:
        connecting(url)
    shown = "".join(traceback.format_exception(caught.value, limit=0))
    assert "redis_url: cannot be understood" in shown
    for part in ("S3cr3t", "Tr0ub", "1234"):
        assert part not in shown


@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificate")
def test_an_encrypted_store(tmp_path):
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    subprocess.run(
        f"openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost "
        f"-addext subjectAltName=IP:127.0.0.1 -keyout {key} -out {certificate}".split(),
        check=True,
        capture_output=True,
    )
    tls = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH)
    tls.load_cert_chain(certificate, key)
    large = b"$300000\r\n" + bytes(300_000) + b"\r\n"

    def answer(request: bytes, _: int) -> bytes:
        return large if b"GET" in request else b""

    with in_thread(scripted(greets(answer), tls)) as (url, seen):
        encrypted = url.replace("redis:", "rediss:")
        with linked(f"{encrypted}?ssl_ca_certs={certificate}", timeout_seconds=GENEROUS_SECONDS) as link:
            for _ in range(5):
                assert ask(link, "GET", "a") == bytes(300_000)
            written = encode("SET", "b", bytes(5_000_000))
            link.send(written, 1, lambda _: None)
            link.flush()
            run_until(link, lambda: sum(map(len, seen)) >= len(written))
        with linked(encrypted, opened=False) as link:  # no authority vouches for it
            assert ask_all(link, encode("GET", "a")) is None
            assert isinstance(link._connector.failure, ssl.SSLCertVerificationError)


def test_a_name_that_no_host_can_have_fails_requests(caplog):
    address = replace(address_of("redis://localhost"), host="a" * 64 + ".invalid")
    link = Link(Connector(address))
    assert ask_all(link, encode("PING")) is None
    link.close()
    assert "cannot be connected to" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize(
    "greeting", [b"HTTP/1.1 400 Bad Request\r\n\r\n", b"+OK\r\n*0\r\n", b"+OK\r\n+OK\r\n", b"$x\r\n"]
)
def test_a_server_that_greets_as_no_store_does_is_tried_again(greeting):
    """It may be a proxy whose store is away: once it greets as a store, it is used."""
    greetings = iter([greeting] * 2)

    def answer(request: bytes, _: int) -> bytes:
        if b"SETNAME" in request:
            return next(greetings, GREETING)
        return b"$1\r\nx\r\n"

    with in_thread(scripted(answer)) as (url, _), linked(url, opened=False) as link:
        run_until(link, lambda: ask_all(link, encode("GET", "a")) == [b"x"])


def test_a_server_that_says_nothing_does_not_hold_anybody_up():
    with in_thread(silent_store()) as (url, asked), linked(f"{url}?socket_connect_timeout=0.2", opened=False) as link:
        started = time.monotonic()
        assert ask_all(link, encode("PING")) is None
        assert time.monotonic() - started < 10
        assert asked.is_set()
        assert link.down


@pytest.fixture
def replicated(short_directory, unused_tcp_port_factory):
    """Two stores, of which the second can be made a replica of the first."""
    port = unused_tcp_port_factory()
    options = {"repl-diskless-sync-delay": "0", "dir": str(short_directory)}
    with (
        local_store(short_directory / "primary.sock", bind="127.0.0.1", **(options | {"port": str(port)})) as primary,
        local_store(short_directory / "other.sock", **options) as other,
    ):
        yield other, port, primary


def demote(store, port: int) -> None:
    store.redis.execute_command("REPLICAOF", "127.0.0.1", port)


def promote(store) -> None:
    store.redis.execute_command("REPLICAOF", "NO", "ONE")


def greetings_of(store) -> int:
    return store.redis.info("commandstats").get("cmdstat_role", {"calls": 0})["calls"]


def test_a_replica_cannot_be_opened(replicated):
    store, port, _ = replicated
    demote(store, port)
    link = Link(Connector(address_of(store.url)))
    with pytest.raises(NotPrimaryError, match="the store is a replica"):
        link.open(GENEROUS_SECONDS)
    link.close()


@pytest.mark.parametrize("loaded", [False, True], ids=["idle", "while others read"])
def test_a_demotion_is_noticed_without_a_write_and_asked_about_once_a_second(replicated, caplog, loaded):
    store, port, _ = replicated
    caplog.set_level(logging.WARNING)
    with linked(store.url, timeout_seconds=GENEROUS_SECONDS) as link:

        def read_again(replies: object) -> None:
            if replies is not None:
                link.send(encode("GET", b"a"), 1, read_again)

        for _ in range(20 if loaded else 0):  # so that some request always waits
            link.send(encode("GET", b"a"), 1, read_again)
            link.pump()
        demote(store, port)
        started = time.monotonic()
        run_until(link, lambda: link._wire is None, seconds=10)
        assert time.monotonic() - started < 5
        run_until(link, lambda: ask_all(link, encode("GET", b"a")) is None)
        assert link.down, "expected reads of a replica's old states to fail"
        before, started = greetings_of(store), time.monotonic()
        run_until(link, lambda: time.monotonic() - started > 2.5)
        assert greetings_of(store) - before <= 3
        promote(store)
        run_until(link, lambda: not link.down)
        assert ask(link, "SET", "a", "b") == b"OK"
    texts = [record.getMessage() for record in caplog.records]
    assert [text.partition(":")[0] for text in texts] == [
        "the store does not answer",
        "the store answers again",
    ]
    assert "the store is a replica, not a primary" in texts[0]


def test_a_name_is_resolved_again_for_every_connection(replicated, monkeypatch):
    """A fail-over by name: the same name leads to another server."""
    store, port, primary = replicated
    leads_to = [address_of(store.url)]

    class Named(type(leads_to[0])):
        __slots__ = ()

        def connect(self, timeout_seconds):
            return leads_to[0].connect(timeout_seconds)

    link = Link(Connector(Named(path="a name")))
    link.open(GENEROUS_SECONDS)
    with closing(link):
        assert ask(link, "SET", "a", "old") == b"OK"
        demote(store, port)
        leads_to[0] = address_of(primary.url)
        run_until(link, lambda: ask_all(link, encode("SET", "a", "new")) == [b"OK"])
    assert primary.redis.get("a") == b"new"


async def test_the_client_of_a_url_can_be_closed():
    redis, _ = connect("redis://localhost")
    await asyncio.wait_for(redis.aclose(close_connection_pool=True), GENEROUS_SECONDS)
