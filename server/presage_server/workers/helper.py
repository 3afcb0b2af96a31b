"""Helper processes of a server: connected by a socket, and started again when they end."""

from __future__ import annotations

import asyncio
import logging
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from contextlib import asynccontextmanager, suppress
from typing import Any

import msgspec

from presage_server.child_process import CHECK_INTERVAL_SECONDS, end_process, kept_running
from presage_server.store.embedded import end_with_parent

__all__ = ["LENGTH_BYTES", "frame", "helper_process", "read_frame"]

_logger = logging.getLogger(__name__)

LENGTH_BYTES = 4
_END_SECONDS = 5.0
"""How long a helper may take to end once its socket is closed."""

Serve = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]
"""Talks to a helper; returns, or raises OSError or IncompleteReadError, when the helper has gone."""


def frame(message: Any) -> bytes:
    """Make a frame of a message: a length of four bytes, and MessagePack."""
    encoded = msgspec.msgpack.encode(message)
    return len(encoded).to_bytes(LENGTH_BYTES, "big") + encoded


async def read_frame(reader: asyncio.StreamReader) -> Any:
    """Read a message.

    Raises:
        IncompleteReadError: The other side has gone.
    """
    length = int.from_bytes(await reader.readexactly(LENGTH_BYTES), "big")
    return msgspec.msgpack.decode(await reader.readexactly(length))


@asynccontextmanager
async def helper_process(
    module: str,
    arguments: Sequence[str],
    serve: Serve,
    *,
    what: str,
    pass_fds: Sequence[int] = (),
) -> AsyncIterator[None]:
    """Run a module of ours as a helper for as long as the context lasts. One that ends is started again, later each time.

    Args:
        module: Its standard input is the socket; it ends when the socket does.
        arguments: Of its command line.
        serve: What is said to it, from the start of each.
        what: A name for the log: "the process that …".
        pass_fds: Descriptors that it inherits.
    """
    async with kept_running(lambda: _run(module, arguments, serve, pass_fds), what=what):
        yield


async def _run(module: str, arguments: Sequence[str], serve: Serve, pass_fds: Sequence[int]) -> int:
    """Run a helper until it ends; returns its exit code, or the number of the signal that ended it, negative."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        process = _start(module, arguments, theirs.fileno(), pass_fds)
        reader, writer = await asyncio.open_unix_connection(sock=ours.dup())
    serving = asyncio.ensure_future(serve(reader, writer))
    try:
        while process.poll() is None and not serving.done():
            await asyncio.wait({serving}, timeout=CHECK_INTERVAL_SECONDS)
    finally:
        serving.cancel()
        try:
            with suppress(asyncio.CancelledError, OSError, asyncio.IncompleteReadError):
                await serving
        except Exception:  # a defect must neither leave the process behind nor be its last start
            _logger.exception("what %s is sent could not be made", module)
        writer.close()
        await end_process(process, _END_SECONDS)
        with suppress(OSError):
            await writer.wait_closed()
    return process.returncode


def _start(module: str, arguments: Sequence[str], end: int, pass_fds: Sequence[int]) -> subprocess.Popen[bytes]:
    """Start a helper. Not by the event loop: uvloop's fork runs gRPC's handlers, which may fail while its threads work."""
    return subprocess.Popen(  # noqa: S603 - this interpreter with arguments from here
        [*end_with_parent(), sys.executable, "-P", "-m", module, *arguments],
        stdin=end,
        pass_fds=pass_fds,
        start_new_session=True,  # Ctrl-C is for the server
    )
