"""The processes that faults are made to: stores and servers, which can be killed, stopped and started again."""

from __future__ import annotations

import asyncio
import mmap
import os
import re
import resource
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any

import redis

from benchmarks.chaos.build import preloaded_library
from benchmarks.rig.processes import process_tree
from benchmarks.rig.server_parts import end_with_parent, find_binary

__all__ = ["PreloadedFaults", "ServerProcess", "StoreProcess", "free_port"]

_READY = ": serving on "
_START_SECONDS = 60.0
_POLL_SECONDS = 0.01


class PreloadedFaults:
    """What a library in a process does to its disk and its clock; the numbers may change while the process runs.

    Args:
        file: Shared with the process; created.
    """

    def __init__(self, file: Path) -> None:
        file.write_bytes(bytes(16))
        with file.open("r+b") as opened:
            self._numbers = mmap.mmap(opened.fileno(), 16)
        self.environment = {"LD_PRELOAD": str(preloaded_library()), "CHAOS_FAULTS": str(file)}
        """What the process has to be started with."""

    def set(self, *, fsync_seconds: float = 0.0, clock_seconds: float = 0.0) -> None:
        """Make each fsync take longer, and set the clock ahead."""
        self._numbers[:] = struct.pack("qq", round(fsync_seconds * 1e6), round(clock_seconds * 1e6))


class StoreProcess:
    """A valkey-server with an append-only file, of which a fault may do anything.

    Args:
        folder: Its data; what is there is read at the start.
        options: Further options of valkey-server.
    """

    def __init__(self, folder: Path, options: Mapping[str, str] | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder = folder
        self.socket = str(folder / "socket")
        self.url = f"unix://{self.socket}"
        self.faults = PreloadedFaults(folder / "faults")
        self.port = free_port()
        """For its replicas."""
        self._options = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "unixsocket": self.socket,
            "dir": str(folder),
            "logfile": str(folder / "valkey.log"),
            "appendonly": "yes",
            "appendfsync": "everysec",
            "save": "",
            "repl-diskless-sync-delay": "0",
            **(options or {}),
        }
        self._process: subprocess.Popen[bytes] | None = None
        self.redis = redis.Redis.from_url(self.url)
        """A blocking client, for looking into the store."""

    async def start(self) -> None:
        """Start it, and wait until it has read its file.

        Raises:
            RuntimeError: It does not start; the message is the end of its log.
        """
        words = [word for name, value in self._options.items() for word in (f"--{name}", value)]
        self._process = subprocess.Popen(  # noqa: ASYNC220 - a moment
            [*end_with_parent(), str(find_binary()), *words],
            env=os.environ | self.faults.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            restore_signals=False,  # a file that may not grow is then an error, as a full disk is, and not a signal
        )
        async with asyncio.timeout(_START_SECONDS):
            while True:
                with suppress(redis.ConnectionError, redis.BusyLoadingError):
                    self.redis.ping()
                    return
                if self._process.poll() is not None:
                    log = (self.folder / "valkey.log").read_text()[-2_000:]
                    raise RuntimeError(f"the store does not start; the end of its log:\n{log}")
                await asyncio.sleep(_POLL_SECONDS)

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def kill(self) -> None:
        """End it as a crash does."""
        self.signal(signal.SIGKILL)
        await asyncio.to_thread(self._wait)

    async def stop(self) -> None:
        """End it as an operator does: it writes what it has not written, and syncs."""
        self.signal(signal.SIGTERM)
        await asyncio.to_thread(self._wait)

    def follow(self, primary: StoreProcess | None) -> None:
        """Become a replica of another store, or a primary."""
        if primary is None:
            self.redis.replicaof("NO", "ONE")
        else:
            self.redis.replicaof("127.0.0.1", str(primary.port))

    async def wait_until_followed(self, primary: StoreProcess) -> None:
        """Wait until all that a primary has is here, too."""
        async with asyncio.timeout(_START_SECONDS):
            while True:
                own, other = self.redis.info("replication"), primary.redis.info("replication")
                if own.get("master_link_status") == "up" and own["slave_repl_offset"] >= other["master_repl_offset"]:
                    return
                await asyncio.sleep(_POLL_SECONDS)

    def set_disk_full(self, *, full: bool) -> None:
        """Have its file grow by not more than a few bytes, or as it likes."""
        assert self._process is not None
        size = max((path.stat().st_size for path in (self.folder / "appendonlydir").iterdir()), default=0)
        hard = resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE)[1]
        most = size + 100 if full else hard
        resource.prlimit(self._process.pid, resource.RLIMIT_FSIZE, (most, hard))

    def end(self) -> None:
        """Make sure that it has ended."""
        if self._process is not None and self._process.poll() is None:
            self._process.kill()
            self._wait()
        self.redis.close()

    def _wait(self) -> None:
        assert self._process is not None
        self._process.wait()
        self.redis.connection_pool.disconnect()


class ServerProcess:
    """``presage serve`` on a port of its own that stays, as a process manager runs it.

    Args:
        folder: For its log.
        flags: Its command line, without host and port.
    """

    def __init__(self, folder: Path, flags: Sequence[str]) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.port = free_port()
        self.address = f"127.0.0.1:{self.port}"
        metrics_port = free_port()
        self.metrics_url = f"http://127.0.0.1:{metrics_port}/metrics"
        self.faults = PreloadedFaults(folder / "faults")
        self.folder = folder
        """For its files."""
        self._log = folder / "log"
        self._flags = (*flags, "--metrics-port", str(metrics_port))
        self._process: subprocess.Popen[str] | None = None

    @property
    def pid(self) -> int:
        """The process that was started."""
        assert self._process is not None
        return self._process.pid

    @property
    def log(self) -> str:
        """All that it has logged, before restarts as well."""
        return self._log.read_text() if self._log.exists() else ""

    async def start(self) -> None:
        """Start it, and wait until it answers.

        Raises:
            RuntimeError: It does not start; the message is the end of its log.
        """
        command = (sys.executable, "-m", "presage_server", "serve", "--port", str(self.port), *self._flags)
        with self._log.open("a") as log:
            process = self._process = subprocess.Popen(  # noqa: ASYNC220 - a moment
                command, env=os.environ | self.faults.environment, stdout=subprocess.PIPE, stderr=log, text=True
            )
        assert process.stdout is not None
        async with asyncio.timeout(_START_SECONDS):
            line = await asyncio.to_thread(process.stdout.readline)
        if _READY not in line:
            raise RuntimeError(f"the server does not start; the end of its log:\n{self.log[-2_000:]}")

    def signal(self, number: int) -> None:
        """Send it a signal."""
        assert self._process is not None
        self._process.send_signal(number)

    async def wait(self) -> int:
        """Wait until it has ended; returns its exit code."""
        process = self._process
        assert process is not None
        code = await asyncio.to_thread(process.wait, _START_SECONDS)
        if process.stdout is not None:
            process.stdout.close()
        return code

    def workers(self) -> list[int]:
        """List the processes that it started and that serve, in no order."""
        found = []
        for pid in process_tree(self.pid)[1:]:
            with suppress(OSError):
                words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
                if b"presage_server.workers" in words:
                    found.append(pid)
        return found

    def embedded_store(self) -> str:
        """Find the URL of the store that it started, in its log."""
        found: list[str] = re.findall(r"store: embedded .*?at (unix://\S+?),? ", self.log)
        return found[-1]

    async def end(self) -> None:
        """Make sure that it has ended; its store may be reached through a proxy on this loop."""
        await asyncio.to_thread(self._end)

    def _end(self) -> None:
        process = self._process
        if process is None:
            return
        if process.poll() is None:
            process.send_signal(signal.SIGCONT)
            process.terminate()
            try:
                process.wait(_START_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()
        if process.stdout is not None:
            process.stdout.close()


def free_port() -> int:
    """Find a port that nobody listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        address: Any = one.getsockname()
        return int(address[1])
