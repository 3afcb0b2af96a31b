"""One worker, as its supervisor sees it: a process and the channel to it."""

from __future__ import annotations

import asyncio
import logging
import socket
import sys
from contextlib import suppress
from typing import Any

import msgspec
from prometheus_client import CollectorRegistry, ProcessCollector

from presage_featurizer.custom import CustomFeatures
from presage_server.access.sharing import WorkersAccess
from presage_server.models.plan import Plan
from presage_server.settings import Settings
from presage_server.telemetry.samples import Plain, read_metrics
from presage_server.workers.channel import Channel, custom_to_json, settings_to_json

__all__ = ["WorkerFailedError", "WorkerProcess"]

_logger = logging.getLogger(__name__)

_END_SECONDS = 5.0
_METRICS_SECONDS = 1.0
_PING_SECONDS = 1.0
_MISSED_PINGS = 10
_READY_SECONDS = 180.0
"""How long a worker may take to load its models and to connect; more hangs."""


class WorkerFailedError(Exception):
    """Expected: a worker ended before it was ready; the text says why; the supervisor tries again or gives up."""

    def __init__(self, message: str, *, refused: bool) -> None:
        super().__init__(message)
        self.refused = refused
        """Whether the worker reported the reason itself, so that trying again is pointless."""


class WorkerProcess:
    """A worker's process; ``WorkerProcess.start`` makes it.

    It is a program of its own, not a copy of the supervisor: neither gRPC nor ONNX Runtime lives on in a copy.
    """

    def __init__(self, number: int, process: asyncio.subprocess.Process, channel: Channel) -> None:
        self.number = number
        self.metrics: Plain = []
        """Its metrics when they were last requested."""
        self.unready = "it has not answered yet"
        """Why no calls should be sent to it; empty if it was ready then."""
        self._process = process
        self._of_process = CollectorRegistry()
        ProcessCollector(pid=lambda: process.pid, registry=self._of_process)
        self._channel = channel
        loop = asyncio.get_running_loop()
        self._started: asyncio.Future[dict[str, object]] = loop.create_future()
        self._metrics: asyncio.Future[None] | None = None
        self._replies: dict[int, asyncio.Future[dict[str, Any]]] = {}
        self._requests = 0
        self._missed_pings = 0
        self._listening = asyncio.create_task(self._listen())

    @classmethod
    async def start(
        cls,
        number: int,
        settings: Settings,
        custom: CustomFeatures | None = None,
        plan: Plan | None = None,
        access: WorkersAccess | None = None,
    ) -> WorkerProcess:
        """Start a worker process.

        Args:
            number: Which of all it is.
            settings: How it serves.
            custom: The features of the project that the settings name.
            plan: The versions of models to serve; it chooses itself without.
            access: The tokens that it asks for.
        """
        ours, theirs = socket.socketpair()
        channel = await Channel.open(ours)
        with theirs:
            process = await asyncio.create_subprocess_exec(
                *(sys.executable, "-P", "-m", "presage_server.workers", str(theirs.fileno())),
                stdin=asyncio.subprocess.DEVNULL,
                stdout=sys.stderr,  # the line of readiness is the supervisor's
                pass_fds=(theirs.fileno(), *([access.descriptor] if access is not None else [])),
                start_new_session=True,  # Ctrl-C is for the supervisor, which stops the workers itself
            )
        channel.send(
            settings=settings_to_json(settings),
            project=custom_to_json(custom),
            plan=None if plan is None else msgspec.to_builtins(plan),
            access=None if access is None else access.to_json(),
            worker=number,
        )
        return cls(number, process, channel)

    @property
    def pid(self) -> int:
        """The process's id."""
        return self._process.pid

    async def until_ready(self) -> str:
        """Wait until it serves; return HOST:PORT.

        Raises:
            WorkerFailedError: It ended before, or hangs; then it is killed.
        """
        try:
            async with asyncio.timeout(_READY_SECONDS):
                message = await asyncio.shield(self._started)
        except TimeoutError:
            self._process.kill()
            raise WorkerFailedError(
                f"worker {self.number} did not serve within {_READY_SECONDS:g} s and was killed; see the log",
                refused=False,
            ) from None
        if "ready" in message:
            return str(message["ready"])
        code = await self._process.wait()
        if "failed" in message:
            raise WorkerFailedError(str(message["failed"]), refused=True)
        raise WorkerFailedError(
            f"worker {self.number} ended with code {code} before it served; see the log", refused=False
        )

    async def wait(self) -> int:
        """Wait for the end, and bring it about if the worker hangs.

        Returns:
            The exit code, or the number of the signal that ended it, negative.
        """
        pinging = asyncio.create_task(self._ping())
        try:
            return await self._process.wait()
        finally:
            pinging.cancel()

    async def read_metrics(self) -> None:
        """Ask for its metrics; ``metrics`` is left as it is if the worker does not answer in time."""
        if self._metrics is None:
            self._metrics = asyncio.get_running_loop().create_future()
            self._channel.send(command="metrics")
        await asyncio.wait({self._metrics}, timeout=_METRICS_SECONDS)  # the answer may be the next one's

    async def request(self, command: str, seconds: float, **message: object) -> dict[str, Any]:
        """Send a command, and wait for the reply; what there is instead of one has ``problem``, too.

        Args:
            command: Its name.
            seconds: How long to wait.
            message: What else to send.
        """
        self._requests += 1
        number = self._requests
        reply: asyncio.Future[dict[str, Any]] = asyncio.get_running_loop().create_future()
        self._replies[number] = reply
        self._channel.send(command=command, number=number, **message)
        try:
            async with asyncio.timeout(seconds):
                return await reply
        except TimeoutError:
            return {"problem": f"worker {self.number} did not {command} within {seconds:g} s"}
        finally:
            del self._replies[number]

    def send(self, command: str) -> None:
        """Send a command that has no reply."""
        self._channel.send(command=command)

    def kill(self) -> None:
        """End it by force; whoever waits for its end hears of it."""
        with suppress(ProcessLookupError):
            self._process.kill()

    def drain(self) -> None:
        """Send the command to drain and end."""
        self._channel.send(command="drain")

    async def end(self) -> None:
        """End it, by force if it does not end at once."""
        try:
            if self._process.returncode is None:
                self._channel.send(command="end")
                with suppress(TimeoutError):
                    async with asyncio.timeout(_END_SECONDS):
                        await self._process.wait()
        finally:
            with suppress(ProcessLookupError):
                self._process.kill()
            self._listening.cancel()
            await self._process.wait()
            await self._channel.close()

    async def _ping(self) -> None:
        """Kill the worker when it leaves ten pings unanswered. Pings are counted, not seconds: this process may be late itself."""
        while self._missed_pings < _MISSED_PINGS:
            self._channel.send(command="ping")
            self._missed_pings += 1
            await asyncio.sleep(_PING_SECONDS)
        _logger.error(
            "worker %d (process %d) hangs and is killed: it left %d pings unanswered",
            self.number,
            self.pid,
            self._missed_pings,
        )
        with suppress(ProcessLookupError):
            self._process.kill()

    async def _listen(self) -> None:
        while message := await self._channel.read():
            self._missed_pings = 0
            if "metrics" in message:
                self.metrics = message["metrics"] + read_metrics(self._of_process)
                self.unready = message["unready"]
                if self._metrics is not None:
                    self._metrics.set_result(None)
                    self._metrics = None
            elif "reply" in message:
                reply = self._replies.get(message["reply"])
                if reply is not None and not reply.done():  # done: its time is up, at this moment
                    reply.set_result(message)
            elif "alive" not in message and not self._started.done():
                self._started.set_result(message)
        for reply in self._replies.values():
            if not reply.done():
                reply.set_result({"problem": f"worker {self.number} ended"})
        if not self._started.done():
            self._started.set_result({})
