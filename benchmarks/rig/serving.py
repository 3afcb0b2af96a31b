"""Starts a store, and servers that print one line once they answer, each as a process of its own."""

from __future__ import annotations

import asyncio
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import AsyncExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path

import redis

from benchmarks.rig.server_parts import embedded_store

__all__ = [
    "Server",
    "is_running",
    "local_store",
    "presage_process",
    "presage_serve",
    "serving_process",
    "settle_store",
    "store_process",
]

_READY = ": serving on "
_STOP_SECONDS = 30.0
_REWRITE_SECONDS, _REWRITE_POLL_SECONDS = 60.0, 0.1


@dataclass(frozen=True, slots=True)
class Server:
    """A server under load."""

    address: str
    """HOST:PORT."""
    pid: int
    store_pid: int
    """The process of the store that it uses."""


@contextmanager
def local_store(options: Mapping[str, str] | None = None) -> Iterator[str]:
    """Run a store like the one that ``presage serve`` starts by itself, on a temporary folder.

    Args:
        options: What CONFIG SET changes in it, such as ``{"appendfsync": "no"}``.

    Yields:
        Its URL.
    """
    with tempfile.TemporaryDirectory(prefix="presage-bench-") as folder, asyncio.Runner() as runner:
        stack = AsyncExitStack()
        url = runner.run(stack.enter_async_context(embedded_store(Path(folder))))
        try:
            with redis.Redis.from_url(url) as client:
                for name, value in (options or {}).items():
                    client.config_set(name, value)
            yield url
        finally:
            runner.run(stack.aclose())


def settle_store(url: str) -> None:
    """Rewrite a store's append-only file after it was filled, so that no rewrite falls into a measurement that is not long."""
    with redis.Redis.from_url(url) as client:
        if not client.info("persistence")["aof_enabled"]:
            return
        if not client.info("persistence")["aof_rewrite_in_progress"]:
            client.bgrewriteaof()
        for _ in range(int(_REWRITE_SECONDS / _REWRITE_POLL_SECONDS)):
            found = client.info("persistence")
            if not found["aof_rewrite_in_progress"] and not found["aof_rewrite_scheduled"]:
                return
            time.sleep(_REWRITE_POLL_SECONDS)


def store_process(url: str) -> int:
    """Find the process id of a store on this machine."""
    with redis.Redis.from_url(url) as client:
        return int(client.info("server")["process_id"])


def is_running(pid: int) -> bool:
    """Return whether a process was started here and has not ended."""
    try:
        return bool(Path(f"/proc/{pid}/cmdline").read_bytes())  # empty once it has ended
    except FileNotFoundError:
        return False


@contextmanager
def presage_serve(redis_url: str, *flags: str) -> Iterator[str]:
    """Run ``presage serve`` on a free port; yields HOST:PORT. See ``presage_process``."""
    with presage_process(redis_url, *flags) as (address, _):
        yield address


@contextmanager
def presage_process(
    redis_url: str,
    *flags: str,
    python: str = sys.executable,
    environment: Mapping[str, str] | None = None,
    log: Path | None = None,
) -> Iterator[tuple[str, int]]:
    """Run ``presage serve`` on a free port.

    Args:
        redis_url: The store that it uses.
        flags: Further flags of its command line.
        python: The interpreter that runs it.
        environment: Its variables; those of this process unless given.
        log: The file that its log goes to; one that is not kept unless given.

    Yields:
        HOST:PORT, once it answers, and the process's id.

    Raises:
        RuntimeError: It does not start; the message is what it wrote to its log.
    """
    command = (python, "-m", "presage_server", "serve", "--port", "0", "--redis-url", redis_url, *flags)
    with serving_process(command, environment, log=log) as served:
        yield served


@contextmanager
def serving_process(
    command: Sequence[str], environment: Mapping[str, str] | None = None, *, log: Path | None = None
) -> Iterator[tuple[str, int]]:
    """Run a server that prints one line when it answers, such as ``presage: serving on HOST:PORT``; see ``presage_process``."""
    with (
        tempfile.TemporaryFile("w+") if log is None else log.open("w+") as written,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=written, text=True, env=environment) as process,
    ):
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if _READY not in line:
                written.seek(0)
                raise RuntimeError(f"expected a line with {_READY!r}, got {line!r}; its log:\n{written.read()}")
            yield line.partition(_READY)[2].strip(), process.pid
        finally:
            process.terminate()
            try:
                process.wait(_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                process.kill()
