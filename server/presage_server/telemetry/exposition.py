"""Metrics over HTTP."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable

from prometheus_client.exposition import CONTENT_TYPE_LATEST

from presage_server.access.gate import Gate
from presage_server.access.http import metadata_of
from presage_server.errors import SettingsError

__all__ = ["serve_text"]

_logger = logging.getLogger(__name__)

_ANSWER_SECONDS = 5.0


_REJECTED = b"HTTP/1.1 401 Unauthorized\r\nWWW-Authenticate: Bearer\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


async def serve_text(
    text: Callable[[], Awaitable[bytes]], host: str, port: int, gate: Gate | None = None
) -> asyncio.Server:
    """Serve metrics over HTTP, on this process's own loop: every request gets them, whatever its path.

    Args:
        text: Gives the metrics in Prometheus' text format.
        host: The address to listen on.
        port: The port to listen on; 0 picks a free one.
        gate: Knows who may read them; None: everyone.

    Raises:
        SettingsError: It cannot listen there.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                request = await reader.readuntil(b"\r\n\r\n")
                if gate is not None and not gate.allows_metrics(metadata_of(request)):
                    writer.write(_REJECTED)
                    await writer.drain()
                    return
                body = await text()
                head = (
                    "HTTP/1.1 200 OK",
                    f"Content-Type: {CONTENT_TYPE_LATEST}",
                    f"Content-Length: {len(body)}",
                    "Connection: close",
                    "\r\n",
                )
                writer.write("\r\n".join(head).encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    try:
        http = await asyncio.start_server(answer, host, port)
    except OSError as error:
        raise SettingsError(f"metrics_port: cannot listen on {host}:{port}: {error}") from error
    _logger.info("metrics: http://%s:%d/metrics", host, http.sockets[0].getsockname()[1])
    return http
