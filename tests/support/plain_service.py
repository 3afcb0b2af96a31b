"""Four methods behind a transport alone: what a transport does, without store and models."""

from __future__ import annotations

import asyncio
import threading
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import grpc

from presage_server.call import Call
from presage_server.rpc.status import Status
from presage_server.transport.grpcio import GrpcioTransport
from presage_server.transport.interface import ServerOptions, Transport, grpcio_options
from presage_server.transport.native import NativeTransport
from support.running_server import GENEROUS_SECONDS

ECHO, FAIL, HANG, SWELL = PATHS = tuple(f"/test.Plain/{name}" for name in ("Echo", "Fail", "Hang", "Swell"))
SWOLLEN_BYTES = 1 << 20
_LOOK_SECONDS = 0.002
_IDLE_SECONDS = 0.5


class PlainService:
    """Records the calls that it gets. Use ``plain_server``, which serves it."""

    def __init__(self) -> None:
        self.address = ""
        """HOST:PORT."""
        self.transport: Transport
        self.seen: list[dict[str, list[str | bytes]]] = []
        """The metadata of each Echo, values by key."""
        self.cancelled = 0
        """How many calls were cancelled while they hung."""
        self.failure: tuple[grpc.StatusCode, str] = (grpc.StatusCode.UNKNOWN, "")
        """What Fail ends with."""
        self.go = threading.Event()
        """Lets the calls that hang end."""
        self._hanging: dict[Call, None] = {}

    @property
    def in_flight(self) -> int:
        """How many calls hang."""
        return len(self._hanging)

    async def until(self, *, in_flight: int, cancelled: int | None = None) -> None:
        """Wait until this number of calls hang, and this number was cancelled if it is given."""
        async with asyncio.timeout(GENEROUS_SECONDS):
            while self.in_flight != in_flight or cancelled not in {None, self.cancelled}:  # noqa: ASYNC110 - another thread's
                await asyncio.sleep(_LOOK_SECONDS)

    def on_calls(self, calls: list[Call]) -> float:
        """Process calls, in the thread of the transport."""
        for call in calls:
            if call.method == ECHO:
                self.seen.append(values_by_key(call))
                call.reply(call.request)
            elif call.method == FAIL:
                self._fail(call)
            elif call.method == SWELL:
                call.reply(bytes(SWOLLEN_BYTES))
            elif call.code is None:
                self._hanging[call] = None
                call.on_end = self._on_end
        if self.go.is_set():
            for call in list(self._hanging):
                call.reply(call.request)
        return _LOOK_SECONDS if self._hanging else _IDLE_SECONDS

    def _fail(self, call: Call) -> None:
        """End as ``failure`` says, with the caller's metadata whose keys begin with ``x-`` as trailing metadata."""
        code, details = self.failure
        own = [(key, value) for key, values in values_by_key(call).items() if key.startswith("x-") for value in values]
        call.fail(Status(code.value[0], details, (("x-why-bin", b"\0\xff"), *own)))

    def _on_end(self, call: Call) -> None:
        self.cancelled += call.code != 0
        del self._hanging[call]


def values_by_key(call: Call) -> dict[str, list[str | bytes]]:
    """Return what a call has as metadata."""
    metadata: dict[str, list[str | bytes]] = {}
    for key, value in call.metadata:
        metadata.setdefault(key, []).append(value)
    return metadata


def make_transport(name: str, options: ServerOptions) -> Transport:
    """Make a transport of the four methods."""
    if name == "native":
        return NativeTransport(options, PATHS)
    return GrpcioTransport(options, PATHS, grpc.aio.server(options=grpcio_options(options)))


@asynccontextmanager
async def plain_server(name: str, *, max_message_bytes: int = 4 << 20) -> AsyncIterator[PlainService]:
    """Serve the methods Echo, Fail, Hang and Swell, whose messages are bytes."""
    options = ServerOptions(host="127.0.0.1", port=0, max_message_bytes=max_message_bytes)
    service = PlainService()
    service.transport = make_transport(name, options)
    service.address = await service.transport.start(service.on_calls)
    try:
        yield service
    finally:
        await service.transport.stop(0.0)
