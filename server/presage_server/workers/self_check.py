"""A process that cannot serve must not look alive: it checks itself, and ends when a check fails."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager

import grpc
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage_server.call import Metadata
from presage_server.errors import StartupError
from presage_server.transport.interface import Transport, TransportHungError

__all__ = ["SelfCheck", "watched_loop"]

_logger = logging.getLogger(__name__)

_EVERY_SECONDS = 1.0
_ANSWER_SECONDS = 10.0
_FAILURES = 2
_MISSED_TURNS = 10
_DESCRIPTORS = 16
"""What a check may need."""
_EXIT_CODE = 70
_ANY_ADDRESS = {"0.0.0.0": "127.0.0.1", "[::]": "[::1]"}  # noqa: S104 - what is connected to, not bound
_CHANNEL_OPTIONS = (
    # A new connection each time: whether the port still accepts any is a part of the question.
    ("grpc.use_local_subchannel_pool", 1),
    ("grpc.enable_http_proxy", 0),
    ("grpc.enable_retries", 0),
)


def _exit(reason: str) -> None:
    _logger.critical("the server does not answer itself and ends: %s", reason)
    logging.shutdown()
    os._exit(_EXIT_CODE)


class SelfCheck:
    """Calls Health over the server's own port, and asks the transport whether calls are being taken.

    Args:
        transport: What takes calls.
        address: HOST:PORT; empty where other processes share the port, so that a call would reach any of them.
        metadata: What the calls carry, where they need a token.
        on_failure: Called when two checks in a row have failed; the default ends the process.
    """

    def __init__(
        self,
        transport: Transport,
        address: str,
        *,
        metadata: Metadata = (),
        on_failure: Callable[[str], None] = _exit,
    ) -> None:
        self._transport = transport
        self._metadata = tuple(metadata)
        host, _, port = address.rpartition(":")
        self._address = f"{_ANY_ADDRESS.get(host, host)}:{port}" if address else ""
        self._on_failure = on_failure

    async def run_once(self) -> None:
        """Check once; for the start.

        Raises:
            StartupError: The server does not answer.
        """
        if reason := await self._check():
            raise StartupError(f"the server does not answer itself: {reason}")

    async def run(self) -> None:
        """Check every second until cancelled."""
        failures = 0
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            reason = await self._check()
            failures = failures + 1 if reason else 0
            if failures == _FAILURES:
                self._on_failure(reason)

    async def _check(self) -> str:
        """Return what is wrong; empty if nothing is."""
        try:
            self._transport.check_alive()
            if self._address and _can_connect():
                async with grpc.aio.insecure_channel(self._address, options=_CHANNEL_OPTIONS) as channel:
                    stub = health_pb2_grpc.HealthStub(channel)
                    request = health_pb2.HealthCheckRequest()
                    await stub.Check(request, timeout=_ANSWER_SECONDS, metadata=self._metadata)
        except TransportHungError as error:
            return str(error)
        except grpc.aio.AioRpcError as error:
            return f"Health ended with {error.code().name}: {error.details()}"
        except Exception as error:  # noqa: BLE001 - a check that cannot be made must be noticed, too
            return f"Health could not be called: {error!r}"
        return ""


def _can_connect() -> bool:
    """Return whether file descriptors are left. Without any, calls on open connections are served all the same."""
    with ExitStack() as stack:
        try:
            for _ in range(_DESCRIPTORS):
                stack.enter_context(socket.socket())
        except OSError:
            return False
    return True


@contextmanager
def watched_loop(on_failure: Callable[[str], None] = _exit) -> Iterator[None]:
    """End the process if the running event loop makes no turn for ten seconds while the context lasts.

    Seconds in which this process did not run at all, because it was stopped or the machine is busy, do not count.
    """
    loop = asyncio.get_running_loop()
    closed, turned = threading.Event(), threading.Event()

    def watch() -> None:
        missed = 0
        turned.set()
        while not closed.wait(_EVERY_SECONDS):
            if turned.is_set():
                missed = 0
                turned.clear()
                loop.call_soon_threadsafe(turned.set)
            else:
                missed += 1
            if missed == _MISSED_TURNS:
                on_failure(f"the event loop hangs: no turn in {missed} checks, {_EVERY_SECONDS:g} s apart")

    thread = threading.Thread(target=watch, name="presage-watch", daemon=True)
    thread.start()
    try:
        yield
    finally:
        closed.set()
        thread.join()
