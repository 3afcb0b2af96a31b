"""A service of a few lines behind a transport alone: what a transport does, without store and models."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any

import grpc

from presage_server.pipeline.admission import Admission
from presage_server.telemetry.metrics import Metrics
from presage_server.transport.choosing import make_server
from support.running_server import GENEROUS_SECONDS

ECHO, FAIL, HANG, SWELL = (f"/test.Plain/{name}" for name in ("Echo", "Fail", "Hang", "Swell"))
SWOLLEN_BYTES = 1 << 20


class PlainService:
    """Notes what its handlers see. Use ``plain_server``, which serves it."""

    def __init__(self) -> None:
        self.address = ""
        """HOST:PORT."""
        self.server: grpc.aio.Server
        self.seen: list[dict[str, list[str | bytes]]] = []
        """The metadata of each Echo, values by key."""
        self.under_way = 0
        """How many calls hang."""
        self.cancelled = 0
        """How many calls were cancelled while they did."""
        self.failure: tuple[grpc.StatusCode, str] | Exception = (grpc.StatusCode.UNKNOWN, "")
        """What Fail ends with: a status, or what it raises."""
        self.go = asyncio.Event()
        """Lets the calls that hang end."""
        self._changed = asyncio.Event()

    async def until(self, *, under_way: int, cancelled: int | None = None) -> None:
        """Wait until so many calls hang, and so many were cancelled if that is told."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            while self.under_way != under_way or cancelled not in {None, self.cancelled}:
                await self._changed.wait()

    async def echo(self, request: bytes, context: Any) -> bytes:
        """Answer with the request, and with the caller's metadata whose keys begin with ``x-``: first and last."""
        metadata: dict[str, list[str | bytes]] = {}
        for key, value in context.invocation_metadata():
            metadata.setdefault(key, []).append(value)
        self.seen.append(metadata)
        own = tuple((key, value) for key, values in metadata.items() if key.startswith("x-") for value in values)
        await context.send_initial_metadata(own)
        context.set_trailing_metadata(own)
        return request

    async def fail(self, _request: bytes, context: Any) -> bytes:
        """End as ``failure`` says."""
        if isinstance(self.failure, Exception):
            raise self.failure
        await context.abort(*self.failure, trailing_metadata=(("x-why-bin", b"\0\xff"),))
        raise AssertionError("abort always raises")

    async def hang(self, request: bytes, _context: object) -> bytes:
        """Answer when the test says so."""
        self._change(+1)
        try:
            await self.go.wait()
        except asyncio.CancelledError:
            self.cancelled += 1
            raise
        finally:
            self._change(-1)
        return request

    async def swell(self, _request: bytes, _context: object) -> bytes:
        """Answer with far more than was asked with."""
        return bytes(SWOLLEN_BYTES)

    def _change(self, by: int) -> None:
        self.under_way += by
        self._changed.set()
        self._changed = asyncio.Event()


@asynccontextmanager
async def plain_server(transport: str, options: Sequence[tuple[str, Any]] = ()) -> AsyncIterator[PlainService]:
    """Run a server of one service with the methods Echo, Fail, Hang and Swell, whose messages are bytes."""
    service, server = PlainService(), make_server(transport, options, metrics=Metrics(), admission=Admission(20_000))
    behaviours = {"Echo": service.echo, "Fail": service.fail, "Hang": service.hang, "Swell": service.swell}
    handlers = {name: grpc.unary_unary_rpc_method_handler(behaviour) for name, behaviour in behaviours.items()}
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler("test.Plain", handlers),))
    server.add_registered_method_handlers("test.Plain", handlers)
    service.server = server
    service.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    await server.start()
    try:
        yield service
    finally:
        await server.stop(None)
