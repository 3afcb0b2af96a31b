"""One worker, as its supervisor has it: a process and the channel to it."""

from __future__ import annotations

import asyncio
import socket
import sys
from contextlib import suppress

from presage_server.settings import Settings
from presage_server.workers.channel import Channel, settings_to_json

__all__ = ["WorkerFailedError", "WorkerProcess"]

_END_SECONDS = 5.0
_METRICS_SECONDS = 1.0


class WorkerFailedError(Exception):
    """Expected: a worker ended before it was ready; the text says why, the supervisor tries again or gives up."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused
        """Whether the worker said so itself: it cannot start as things are."""


class WorkerProcess:
    """A worker's process; ``WorkerProcess.start`` makes it.

    It is a program of its own, not a copy of the supervisor: neither gRPC nor ONNX Runtime lives on in a copy.
    """

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.number = number
        self.metrics_text = ""
        """Its metrics when they were last asked for."""
        self._process = process
        self._channel = channel
        self._asking: asyncio.Task[None] | None = None

    @classmethod
    async def start(cls, number: int, settings: Settings) -> WorkerProcess:
        """Start a worker.

        Args:
            number: Which of all it is.
            settings: How it serves.
        """
        ours, theirs = socket.socketpair()
        channel = await Channel.open(ours)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "presage_server.workers", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr,  # the line of readiness is the supervisor's
                pass_fds=(theirs.fileno(),),
                start_new_session=True,  # Ctrl-C is for the supervisor, which tells the workers what it wants of them
            )
        channel.send(settings=settings_to_json(settings), worker=number)
        return cls(number, process, channel)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def until_ready(self) -> str:
        """Wait until it serves; answer with HOST:PORT.

        Raises:
            WorkerFailedError: It ended before.
        """
        message = await self._channel.read()
        if "ready" in message:
            return str(message["ready"])
        code = await self._process.wait()
        if "failed" in message:
            raise WorkerFailedError(str(message["failed"]), refused=True)
        raise WorkerFailedError(
            f"worker {self.number} ended with code {code} before it served; see the log", refused=False
        )

    async def wait(self) -> int:
        """Wait for the end; answer with the exit code, or the number of the signal that ended it, negative."""
        return await self._process.wait()

    async def read_metrics(self) -> None:
        """Ask for its metrics; ``metrics_text`` stays what it is if the worker does not answer soon."""
        if self._asking is None:
            self._asking = asyncio.create_task(self._read_metrics())
        await asyncio.wait({self._asking}, timeout=_METRICS_SECONDS)  # the answer may be the next one's

    def drain(self) -> None:
        """Have it drain and end."""
        self._channel.send(command="drain")

    async def end(self) -> None:
        """Make sure that it has ended: at once, and by force if it does not."""
        try:
            if self._process.returncode is None:
                self._channel.send(command="end")
                with suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await self._process.wait()
        finally:
            with suppress(ProcessLookupError):
                self._process.kill()
            if self._asking is not None:
                self._asking.cancel()
            await self._process.wait()
            await self._channel.close()

    async def _read_metrics(self) -> None:
        try:
            self._channel.send(command="metrics")
            self.metrics_text = (await self._channel.read()).get("metrics", self.metrics_text)
        finally:
            self._asking = None
