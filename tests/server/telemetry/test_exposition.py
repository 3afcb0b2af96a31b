"""Metrics and readiness over HTTP."""

from __future__ import annotations

import asyncio
import contextlib
import time

import pytest

from presage_server.access.tokens import digest_of
from presage_server.telemetry import exposition
from presage_server.telemetry.exposition import Exposed, SilentError, listen, serve_http
from support.metrics import exchange, readiness


class Source:
    """Says what it is told to."""

    def __init__(self) -> None:
        self.asked = 0
        self.unready = ""
        self.silent = False
        self.readers = None
        self.go_on = asyncio.Event()
        self.go_on.set()

    async def ask(self) -> Exposed:
        self.asked += 1
        await self.go_on.wait()
        if self.silent:
            raise SilentError("the server has not answered within 2 s")
        return Exposed(f"asked {self.asked}\n".encode(), self.unready, self.readers)


@pytest.fixture
async def exposed():
    source = Source()
    sockets = listen("localhost", 0)
    servers = await serve_http(source.ask, sockets)
    yield source, sockets[0].getsockname()[1]
    for server in servers:
        server.close()


async def test_readiness_has_a_status_of_its_own(exposed):
    source, port = exposed
    assert await readiness(port) == (200, "ready")
    source.unready = "the store is a replica"
    assert await readiness(port) == (503, "not ready: the store is a replica")
    assert (await exchange(port, b"GET /metrics HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK"), "metrics go on"


async def test_a_server_that_says_nothing_has_no_metrics_and_is_not_ready(exposed):
    source, port = exposed
    source.silent = True
    for path in (b"/metrics", b"/ready"):
        answer = await exchange(port, b"GET %s HTTP/1.1\r\n\r\n" % path)
        assert answer.startswith(b"HTTP/1.1 503 ")
        assert answer.endswith(b"the server has not answered within 2 s\n")
    source.silent = False
    assert await readiness(port) == (200, "ready")


async def test_only_readers_get_the_metrics_and_the_reason_why_a_server_is_not_ready(exposed):
    source, port = exposed
    source.readers = [digest_of(b"secret")]
    source.unready = "the store at 10.0.0.7 does not answer"
    for token, may in (("", False), ("other", False), ("secret", True)):
        header = f"Authorization: Bearer {token}\r\n" if token else ""
        metrics = (await exchange(port, f"GET /metrics HTTP/1.1\r\n{header}\r\n".encode())).decode()
        assert metrics.startswith("HTTP/1.1 200 OK" if may else "HTTP/1.1 401 Unauthorized")
        assert ("asked" in metrics) == may
        ready = (await exchange(port, f"GET /ready HTTP/1.1\r\n{header}\r\n".encode())).decode()
        assert ready.startswith("HTTP/1.1 503 "), "load balancers have no token"
        assert ("10.0.0.7" in ready) == may


async def test_however_many_scrape_it_is_asked_a_few_times(exposed, monkeypatch):
    source, port = exposed
    monkeypatch.setattr(exposition, "_PER_SECOND", 5.0)
    started = time.monotonic()
    for _ in range(int(exposition._BURST) + 5):
        await asyncio.gather(*(exchange(port, b"GET / HTTP/1.1\r\n\r\n") for _ in range(10)))
    allowed = exposition._BURST + (time.monotonic() - started) * 5.0
    assert exposition._BURST < source.asked <= allowed + 1


async def test_those_that_had_to_wait_get_what_is_so_by_then(exposed, monkeypatch):
    source, port = exposed
    monkeypatch.setattr(exposition, "_BURST", 1.0)
    monkeypatch.setattr(exposition, "_PER_SECOND", 10.0)
    for _ in range(3):
        source.unready = ""
        assert await readiness(port) == (200, "ready")
        source.unready = "changed"
        assert await readiness(port) == (503, "not ready: changed")


async def test_all_that_wait_get_one_answer(exposed):
    source, port = exposed
    source.go_on.clear()
    scrapes = [asyncio.create_task(exchange(port, b"GET / HTTP/1.1\r\n\r\n")) for _ in range(10)]
    while not source.asked:  # noqa: ASYNC110 - of another task
        await asyncio.sleep(0.001)
    await asyncio.sleep(0.05)
    source.go_on.set()
    assert all(answer.endswith(b"asked 1\n") for answer in await asyncio.gather(*scrapes))


@pytest.mark.parametrize("request_bytes", [b"", b"GET", b"\0" * 200_000, b"GET / HTTP/1.1\r\n"])
async def test_what_is_no_request_gets_no_answer_and_harms_nothing(exposed, request_bytes):
    _, port = exposed
    # It may close before all is sent.
    with contextlib.suppress(ConnectionError):
        assert await exchange(port, request_bytes) == b""
    assert (await exchange(port, b"GET / HTTP/1.1\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")


async def test_what_has_no_path_gets_the_metrics(exposed):
    _, port = exposed
    assert (await exchange(port, b"\r\n\r\n")).startswith(b"HTTP/1.1 200 OK")
