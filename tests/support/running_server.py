"""Running servers: in this process, or as ``presage serve`` in another; and requests for them."""

from __future__ import annotations

import asyncio
import os
import select
import subprocess
import sysconfig
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import grpc

from presage.v1 import event_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_server.app import running
from presage_server.settings import Settings

READY = "presage: serving on "
GENEROUS_SECONDS = 60.0
"""For things that happen at once, on a machine that may be busy."""
PATIENT = ("--store-timeout-ms", "60000")
"""For tests that stop the store while calls wait for it: it must not count as away."""


carried_by = "auto"
"""The transport of servers for which none is named; the fixture ``each_transport`` changes it."""


@dataclass(frozen=True, slots=True)
class Served:
    """A server in this process, and a channel to it."""

    address: str
    channel: grpc.aio.Channel
    stub: Any
    """Of ScoringService."""


@asynccontextmanager
async def serving(**settings: Any) -> AsyncIterator[Served]:
    """Run a server in this process, on a free port unless one is named; ``settings`` are those of Settings."""
    # Without processes for each server, unless a test is about them.
    alone = {"follow_items": False, "reload_seconds": 0.0}
    usual = {"port": 0, "timeout_ms": 20_000, "drain_seconds": 5.0, "transport": carried_by, **alone}
    async with (
        running(Settings(**(usual | settings))) as address,
        grpc.aio.insecure_channel(address) as channel,
    ):
        yield Served(address, channel, scoring_service_pb2_grpc.ScoringServiceStub(channel))


class ServerProcess:
    """``presage serve`` as a process. Use ``server_process``, which ends it."""

    def __init__(self, log: Path, *flags: str, **variables: str) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
        self._log = log
        with log.open("wb") as stderr:
            self._process = subprocess.Popen(
                [Path(sysconfig.get_path("scripts"), "presage"), "serve", *flags],
                env=environment | variables,
                stdout=subprocess.PIPE,
                stderr=stderr,
            )
        self.address = ""
        """HOST:PORT, once it is ready."""

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    @property
    def log(self) -> str:
        """What it has written to stderr so far."""
        return self._log.read_text()

    def wait_until_ready(self) -> None:
        """Wait for the line that says where it serves."""
        assert self._process.stdout is not None
        readable, _, _ = select.select([self._process.stdout], [], [], GENEROUS_SECONDS)
        line = self._process.stdout.readline().decode() if readable else ""
        assert line.startswith(READY), f"expected {READY!r}, got {line!r}; its log:\n{self.log}"
        self.address = line.removeprefix(READY).strip()

    def still_running(self) -> bool:
        """Return whether it has not ended."""
        return self._process.poll() is None

    def signal(self, number: int) -> None:
        """Send a signal."""
        self._process.send_signal(number)

    def wait(self) -> tuple[int, str]:
        """Wait for the end; answers with the exit code and what stdout had after the line of readiness."""
        stdout, _ = self._process.communicate(timeout=GENEROUS_SECONDS)
        return self._process.returncode, stdout.decode()

    def end(self) -> None:
        """Make sure that it has ended."""
        if self._process.poll() is None:
            self._process.terminate()
            try:
                self._process.wait(GENEROUS_SECONDS)
            except subprocess.TimeoutExpired:
                self._process.kill()
                self._process.wait()
        if self._process.stdout is not None:
            self._process.stdout.close()


@contextmanager
def server_process(log: Path, *flags: str, wait: bool = True, **variables: str) -> Iterator[ServerProcess]:
    """Run ``presage serve`` for as long as the context lasts.

    Args:
        log: The file that its stderr goes to.
        flags: Its command line, in addition to ``--port 0`` unless a port is given.
        wait: Whether to wait until it serves.
        variables: Environment variables, in addition to ours without PRESAGE_*.
    """
    given = "--port" in flags or "PRESAGE_PORT" in variables
    port = () if given else ("--port", "0")
    # Without a process for each server, unless a test is about it.
    followed = "--follow-items" in flags or "--no-follow-items" in flags
    follow = () if followed else ("--no-follow-items",)
    process = ServerProcess(log, "--transport", carried_by, *port, *follow, *flags, **variables)
    try:
        if wait:
            process.wait_until_ready()
        yield process
    finally:
        process.end()


def gone(pid: int) -> bool:
    """Wait for a process that is not our child to end; returns whether it did."""
    for _ in range(int(GENEROUS_SECONDS / 0.02)):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return True
        # Nobody may have been there to reap it, as in a container without an init.
        if (
            Path(f"/proc/{pid}/stat").exists()
            and Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] == "Z"
        ):
            return True
        time.sleep(0.02)
    return False


def an_event(user_id: str = "visitor", event_id: str = "", **fields: Any) -> event_pb2.Event:
    """Make a PAGE_VIEW, or what ``fields`` say."""
    fields = {"type": event_pb2.EVENT_TYPE_PAGE_VIEW} | fields
    return event_pb2.Event(user_id=user_id, event_id=event_id, **fields)


def track(user_id: str = "visitor", event_id: str = "", **fields: Any) -> scoring_service_pb2.TrackEventRequest:
    """Make a request that tracks ``an_event``."""
    return scoring_service_pb2.TrackEventRequest(event=an_event(user_id, event_id, **fields))


async def until_accepted(call: Callable[[], Awaitable[Any]]) -> Any:
    """Repeat a call until the server has found that its store is back."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        while True:
            try:
                return await call()
            except grpc.aio.AioRpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE:
                    raise
                await asyncio.sleep(0.01)
