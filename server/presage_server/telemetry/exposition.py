"""Metrics and readiness over HTTP, in a process that serves no calls."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from contextlib import ExitStack
from time import monotonic
from typing import NamedTuple

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from presage_server.access.gate import Readers, may_read
from presage_server.access.http import metadata_of
from presage_server.errors import SettingsError

__all__ = ["Exposed", "SilentError", "listen", "serve_http", "shown_address"]

_ANSWER_SECONDS = 5.0
_BURST, _PER_SECOND = 20.0, 2.0
"""How often the source is asked: twenty times at once, then twice a second, however many ask. Others wait for its next answer."""
_BACKLOG = 128
_TEXT = "text/plain; charset=utf-8"
_REJECTED = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Exposed(NamedTuple):
    """What a server reports about itself."""

    text: bytes
    """Its metrics, in Prometheus' text format."""
    unready: str
    """Why no calls should be sent to it; empty if it is ready."""
    readers: Readers = None
    """Who may read the metrics, and that reason."""


class SilentError(Exception):
    """Expected: the server does not say anything; monitoring must not take old figures for new ones."""


Source = Callable[[], Awaitable[Exposed]]
"""Asks a server; raises SilentError."""


def listen(host: str, port: int) -> list[socket.socket]:
    """Listen on every address that a host name has here.

    Args:
        host: A name or an address.
        port: The port; 0 picks a free one, the same for all.

    Raises:
        SettingsError: It cannot listen there.
    """
    sockets: list[socket.socket] = []
    with ExitStack() as stack:
        try:
            for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
                one = stack.enter_context(socket.socket(family, kind, protocol))
                one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                if family == socket.AF_INET6:
                    one.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
                one.bind((address[0], port, *address[2:]))
                one.listen(_BACKLOG)
                port = int(one.getsockname()[1])
                sockets.append(one)
        except OSError as error:
            raise SettingsError(f"metrics_port: cannot listen on {host}:{port}: {error}") from error
        stack.pop_all()
    return sockets


def shown_address(host: str, sockets: list[socket.socket]) -> str:
    """Return the URL that metrics are served at."""
    return f"http://{f'[{host}]' if ':' in host else host}:{sockets[0].getsockname()[1]}/metrics"


async def serve_http(source: Source, sockets: list[socket.socket]) -> list[asyncio.Server]:
    """Serve a source over HTTP: ``/ready`` is 200 or 503, every other path returns the metrics.

    Args:
        source: Is asked for it.
        sockets: Listen already.
    """
    limited = _Limited(source)

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                writer.write(await _response(request, limited))
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        except asyncio.CancelledError:
            pass  # the process ends; before Python 3.12, asyncio would report this task's cancellation as an error
        finally:
            writer.close()

    return [await asyncio.start_server(answer, sock=one) for one in sockets]


class _Limited:
    """Asks a source only so often, and once for all that wait."""

    def __init__(self, source: Source) -> None:
        self._source = source
        self._allowance, self._counted_at = _BURST, monotonic()
        self._asking: asyncio.Task[Exposed] | None = None

    async def ask(self) -> Exposed:
        """Return the source's report, at once or as soon as it may be asked; raises SilentError."""
        if self._asking is None:
            self._asking = asyncio.ensure_future(self._ask_in_time())
            self._asking.add_done_callback(self._end)
        return await asyncio.shield(self._asking)

    async def _ask_in_time(self) -> Exposed:
        now = monotonic()
        self._allowance = min(_BURST, self._allowance + (now - self._counted_at) * _PER_SECOND) - 1.0
        self._counted_at = now
        if self._allowance < 0.0:
            await asyncio.sleep(-self._allowance / _PER_SECOND)
        return await self._source()

    def _end(self, asked: asyncio.Future[Exposed]) -> None:
        self._asking = None
        if not asked.cancelled():
            asked.exception()  # who waited for it has it, if anybody still did


async def _response(request: bytes, limited: _Limited) -> bytes:
    path = request.split(b" ", 2)[1].partition(b"?")[0] if request.count(b" ") >= 2 else b""
    try:
        exposed = await limited.ask()
    except SilentError as error:
        return _written("503 Service Unavailable", _TEXT, f"{error}\n".encode())
    may = may_read(exposed.readers, metadata_of(request))
    if path != b"/ready":
        return _written("200 OK", CONTENT_TYPE_LATEST, exposed.text) if may else _REJECTED
    if exposed.unready:
        reason = f"not ready: {exposed.unready}\n" if may else "not ready\n"
        return _written("503 Service Unavailable", _TEXT, reason.encode())
    return _written("200 OK", _TEXT, b"ready\n")


def _written(status: str, content_type: str, body: bytes) -> bytes:
    head = (
        f"HTTP/1.1 {status}",
        f"Content-Type: {content_type}",
        f"Content-Length: {len(body)}",
        "Connection: close",
        "\r\n",
    )
    return "\r\n".join(head).encode() + body
