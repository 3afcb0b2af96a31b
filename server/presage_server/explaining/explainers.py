"""The process that explains, as the one that serves sees it: started with the first question, and again if it ends.

Explaining in a thread would take the interpreter's lock from the calls that need to be fast.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import socket
import subprocess
import sys
import threading
from itertools import count
from typing import Final, NamedTuple
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import manifest_digest
from presage_featurizer.custom import CustomFeatures
from presage_server.call import Call
from presage_server.errors import (
    DeadlineError,
    InternalError,
    NotExplainedError,
    OverloadedError,
    RpcError,
)
from presage_server.explaining.messages import LENGTH_BYTES, Answer, Project, Question, pack
from presage_server.models.model import Model
from presage_server.store.embedded import end_with_parent

__all__ = ["MAX_IN_FLIGHT", "Explainers"]

_logger = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 16
"""Explanations that are being made or wait; further calls are rejected."""
_SECONDS = 30.0
"""How long one may take, the start of the process and those before it included."""


class _Pending(NamedTuple):
    """A call whose explanation is being made."""

    call: Call
    model: Model
    until: float
    """When it has taken too long, by the loop's clock."""


class Explainers:
    """Has vectors explained. ``explain`` is for any thread, the rest for that of the loop.

    Args:
        loop: Reads the answers.
        custom: The features of the project that is served.
        most: How many explanations may be in flight.
        seconds: How long one may take, those before it included; then it fails, and the process is replaced.
    """

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        custom: CustomFeatures | None = None,
        *,
        most: int = MAX_IN_FLIGHT,
        seconds: float = _SECONDS,
    ) -> None:
        self._loop = loop
        self._project = Project(None if custom is None else (custom.declaration, custom.source))
        self._most = most
        self._seconds = seconds
        self._numbers = count()
        self._pending: dict[int, _Pending] = {}
        """In the order in which they are answered."""
        self._waiting: list[bytes] = []
        """Questions that came before the process was there."""
        self._process: subprocess.Popen[bytes] | None = None
        self._writer: asyncio.StreamWriter | None = None
        self._task: asyncio.Task[None] | None = None
        self._limit: asyncio.Timeout | None = None
        self._digests: WeakKeyDictionary[Model, str] = WeakKeyDictionary()
        """What bundles are known by; models are equal only to themselves."""

    def explain(self, call: Call, model: Model, vector: NDArray[np.float32], *, cold_start: bool) -> None:
        """Have a vector explained, and the call answered with it."""
        self._loop.call_soon_threadsafe(self._ask, call, model, vector.tobytes(), cold_start)

    async def close(self) -> None:
        """End the process; calls in flight fail."""
        if self._task is not None:
            self._task.cancel()
            with contextlib.suppress(asyncio.CancelledError):
                await self._task

    def _ask(self, call: Call, model: Model, row: bytes, cold_start: bool) -> None:  # noqa: FBT001 - by the loop
        if len(self._pending) >= self._most:
            call.fail(OverloadedError(f"{self._most} explanations are being made; try again, with fewer calls at once"))
            return
        number = next(self._numbers)
        self._pending[number] = _Pending(call, model, self._loop.time() + self._seconds)
        frame = pack(Question(number, str(model.bundle.directory.absolute()), self._digest(model), row, cold_start))
        if self._writer is None:
            self._waiting.append(frame)
        else:
            self._writer.write(frame)
        if self._task is None:
            self._task = self._loop.create_task(self._run())
        elif len(self._pending) == 1:
            self._watch_oldest()

    async def _run(self) -> None:
        """Start the process, and answer calls until it ends or takes too long."""
        failure: RpcError = InternalError("the process that explains scores has ended; see the server's log")
        try:
            async with asyncio.timeout(None) as self._limit:
                self._watch_oldest()
                reader = await self._start()
                while True:
                    length = await reader.readexactly(LENGTH_BYTES)
                    encoded = await reader.readexactly(int.from_bytes(length, "big"))
                    self._answer(msgspec.msgpack.decode(encoded, type=Answer))
        except TimeoutError:
            self._give_up_oldest()
            failure = OverloadedError(
                "the explanation before this one took too long, so this one was not made; try again"
            )
        except (OSError, asyncio.IncompleteReadError) as error:
            _logger.error("the process that explains scores has ended: %s", error)  # noqa: TRY400 - no defect of ours
        finally:
            process, writer = self._process, self._writer
            self._process = self._writer = self._task = self._limit = None
            self._waiting = []
            lost, self._pending = self._pending, {}
            for pending in lost.values():
                pending.call.fail(failure)
            if writer is not None:
                writer.close()
            if process is not None:
                process.kill()
                # By a thread that nothing waits for: a process that waits for a disk does not end either.
                threading.Thread(target=process.wait, daemon=True).start()

    async def _start(self) -> asyncio.StreamReader:
        """Start the process, ask what waits for it, and return what its answers are read from."""
        ours, theirs = socket.socketpair()
        with theirs:
            reader, writer = await asyncio.open_unix_connection(sock=ours)
            writer.write(b"".join([pack(self._project), *self._waiting]))
            self._waiting, self._writer = [], writer
            self._process = _start_process(theirs)
        return reader

    def _watch_oldest(self) -> None:
        """Have the oldest question, which all others wait for, take no longer than it may."""
        if self._limit is not None:
            self._limit.reschedule(next((pending.until for pending in self._pending.values()), None))

    def _give_up_oldest(self) -> None:
        oldest = self._pending.pop(next(iter(self._pending)))
        name, version = oldest.model.name, oldest.model.version
        _logger.error("Explain: %s version %s: took more than %g s", name, version, self._seconds)
        oldest.call.fail(DeadlineError(f"the score could not be explained within {self._seconds:g} s"))

    def _answer(self, answer: Answer) -> None:
        call, model, _ = self._pending.pop(answer.number)
        self._watch_oldest()
        if answer.response:
            call.reply(answer.response)
        elif answer.not_explainable:
            call.fail(
                NotExplainedError(
                    f"the scores of {model.name} version {model.version} cannot be explained: {answer.not_explainable}"
                )
            )
        else:
            _logger.error("Explain: %s version %s: %s", model.name, model.version, answer.failure)
            call.fail(InternalError("the score could not be explained; see the server's log"))

    def _digest(self, model: Model) -> str:
        digest = self._digests.get(model)
        if digest is None:
            digest = self._digests[model] = manifest_digest(model.bundle.manifest)
        return digest


def _start_process(end: socket.socket) -> subprocess.Popen[bytes]:
    """Start the process that explains, at one end of a connection.

    Not by the loop: uvloop calls the handlers of a fork, and gRPC's complain of the threads that it has.
    """
    return subprocess.Popen(  # noqa: S603 - this interpreter with arguments from here
        [*end_with_parent(), sys.executable, "-P", "-m", "presage_server.explaining.explain_process"],
        stdin=end.fileno(),
        stdout=end.fileno(),
        start_new_session=True,  # Ctrl-C is for the server
    )
