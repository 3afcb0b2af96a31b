"""What a transport is."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Callable, Collection
from dataclasses import dataclass
from typing import Any, Protocol

import grpc

from presage_server.call import Call
from presage_server.transport.addresses import join_address

__all__ = [
    "MAX_METADATA_BYTES",
    "MAX_STREAMS",
    "Admits",
    "OnCalls",
    "ServerOptions",
    "Transport",
    "TransportHungError",
    "end_process",
    "grpcio_options",
    "stop_grpcio",
]

_logger = logging.getLogger(__name__)

OnCalls = Callable[[list[Call]], float]
"""Takes the calls that have arrived, perhaps none, and returns after how many seconds it must be called again at the latest.

A call may have ended by then: its caller cancelled it, or its deadline has passed.
"""

Admits = Callable[[Call], bool]
"""Returns whether a call is taken, going by its metadata; ends one that is not."""


MAX_METADATA_BYTES = 8 << 10
"""Metadata of a call that is always accepted."""

MAX_STREAMS = 256
"""Calls in flight on one connection. A client keeps back what exceeds them, where a wait costs nothing. If thousands waited in the
socket, native would read many cancelled ones at once, take that for an attack, and close the connection. With grpcio, a
connection that resets each of its calls at once would starve all others."""

_MAX_PENDING_CALLS = 20_000
"""Calls that wait for grpc.aio to take them. By default it cancels some at random when there are more than 1,000."""


_FAILURE_EXIT_CODE = 70


class TransportHungError(Exception):
    """Unexpected: no calls are being taken, and a process that cannot serve must not look alive."""


class Transport(Protocol):
    """Delivers unary calls in lists, always in the same thread, and sends their replies. Everything else is served by grpc.aio."""

    async def start(self, on_calls: OnCalls) -> str:
        """Begin to listen and to deliver calls; return HOST:PORT, or the address of a socket.

        Raises:
            SettingsError: It cannot listen there.
        """
        ...

    @property
    def own_address(self) -> str:
        """Where this process can call the server in plain text, once it listens."""
        ...

    @property
    def calls(self) -> Collection[Any]:
        """The calls in flight, or what stands for them; another thread adds and removes them."""
        ...

    @property
    def arrived_at(self) -> float:
        """When a call arrived last, in seconds of ``time.monotonic``."""
        ...

    async def stop(self, grace_seconds: float) -> None:
        """Reject new calls, let those in flight end within this time, and close."""
        ...

    def check_alive(self) -> None:
        """Check that calls are being taken.

        Raises:
            TransportHungError: They are not.
        """
        ...


@dataclass(frozen=True, kw_only=True, slots=True)
class ServerOptions:
    """How to listen."""

    host: str
    port: int
    max_message_bytes: int
    share_port: bool = False
    """Whether other processes may listen on the same port."""
    io_threads: int = 1
    """Threads that read and write connections, of the native transport."""
    credentials: grpc.ServerCredentials | None = None
    """With which connections speak TLS; None: plain text. The native transport has no TLS."""

    @property
    def address(self) -> str:
        """Where to listen, as gRPC writes it."""
        return join_address(self.host, self.port)


def grpcio_options(options: ServerOptions) -> list[tuple[str, int]]:
    """Return grpc.aio's channel arguments."""
    return [
        ("grpc.max_receive_message_length", options.max_message_bytes),
        ("grpc.max_metadata_size", MAX_METADATA_BYTES),
        ("grpc.so_reuseport", int(options.share_port)),  # unless meant, a port that is taken is an error
        ("grpc.server.max_pending_requests", _MAX_PENDING_CALLS),
        ("grpc.server.max_pending_requests_hard_limit", _MAX_PENDING_CALLS),
        ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # the client pings every 30 s, idle or not
        ("grpc.keepalive_permit_without_calls", 1),
    ]


async def stop_grpcio(server: grpc.aio.Server, grace_seconds: float) -> None:
    """Stop a grpc.aio server; a cancellation is never lost.

    ``Server.stop`` waits with ``asyncio.wait_for``, which in Python 3.11 ignores a cancellation that comes as the last call ends.
    """
    stopping = asyncio.ensure_future(server.stop(grace_seconds or None))
    await asyncio.wait({stopping})
    stopping.result()


def end_process(error: BaseException) -> None:
    """Log what made serving fail, and end the process: one that cannot serve must not look alive."""
    _logger.critical("serving failed, so the process ends", exc_info=error)
    logging.shutdown()
    os._exit(_FAILURE_EXIT_CODE)
