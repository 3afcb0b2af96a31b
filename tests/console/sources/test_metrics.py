"""Endpoints that are not those of metrics: what is said of them, and that no token goes elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from presage_console.errors import SourceError
from presage_console.sources.metrics import MetricsReader


@asynccontextmanager
async def answering(answer: bytes, asked: list[bytes]) -> AsyncIterator[str]:
    """Listen, and answer everything with the same bytes; ``asked`` gets what was sent."""

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(answer)
        writer.close()

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}/metrics"


async def test_a_port_that_speaks_no_http_is_a_source_that_cannot_be_read():
    async with answering(b"\x00\x00\x12\x04\x00\x00\x00\x00\x00\r\n", []) as url:  # as gRPC begins
        with pytest.raises(SourceError, match="cannot be read"):
            await MetricsReader(url).read()


async def test_an_answer_that_is_cut_is_a_source_that_cannot_be_read():
    async with answering(
        b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nab", []
    ) as url:
        with pytest.raises(SourceError, match="cannot be read"):
            await MetricsReader(url).read()


async def test_the_token_goes_nowhere_else(tmp_path):
    token = tmp_path / "token"
    token.write_text("secret\n")
    elsewhere: list[bytes] = []
    asked: list[bytes] = []
    async with answering(b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n", elsewhere) as other:
        redirect = f"HTTP/1.1 302 Found\r\nLocation: {other}\r\nContent-Length: 0\r\n\r\n".encode()
        async with answering(redirect, asked) as url:
            with pytest.raises(SourceError, match="cannot be read"):
                await MetricsReader(url, str(token)).read()
    assert b"Bearer secret" in asked[0]
    assert not elsewhere


async def test_a_token_that_is_gone_is_a_source_that_cannot_be_read(tmp_path):
    with pytest.raises(SourceError, match="No such file"):
        await MetricsReader("http://127.0.0.1:1/metrics", str(tmp_path / "gone")).read()
