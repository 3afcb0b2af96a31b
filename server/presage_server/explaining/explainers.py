"""The process that explains, as the one that serves sees it: started with the first question, and again if it ends.

Explaining in a thread would take the interpreter's lock from the calls that need to be fast.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import sys
from asyncio.subprocess import PIPE, Process
from itertools import count
from typing import Final
from weakref import WeakKeyDictionary

import msgspec
import numpy as np
from numpy.typing import NDArray

from presage_export.bundle import manifest_digest
from presage_featurizer.custom import CustomFeatures
from presage_server.call import Call
from presage_server.errors import InternalError, NotExplainedError, OverloadedError
from presage_server.explaining.messages import LENGTH_BYTES, Answer, Project, Question, pack
from presage_server.models.model import Model
from presage_server.store.embedded import end_with_parent

__all__ = ["MAX_IN_FLIGHT", "Explainers"]

_logger = logging.getLogger(__name__)

MAX_IN_FLIGHT: Final = 16
"""Explanations that are being made or wait; further calls are rejected."""


class Explainers:
    """Has vectors explained. ``explain`` is for any thread, the rest for that of the loop.

    Args:
        loop: Reads the answers.
        custom: The features of the project that is served.
        most: How many explanations may be in flight.
    """

    def __init__(
        self, loop: asyncio.AbstractEventLoop, custom: CustomFeatures | None = None, *, most: int = MAX_IN_FLIGHT
    ) -> None:
        self._loop = loop
        self._project = Project(None if custom is None else (custom.declaration, custom.source))
        self._most = most
        self._numbers = count()
        self._pending: dict[int, tuple[Call, Model]] = {}
        self._waiting: list[bytes] = []
        """Questions that came before the process was there."""
        self._process: Process | None = None
        self._task: asyncio.Task[None] | None = None
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
        self._pending[number] = (call, model)
        frame = pack(Question(number, str(model.bundle.directory.absolute()), self._digest(model), row, cold_start))
        if self._process is not None and self._process.stdin is not None:
            self._process.stdin.write(frame)
            return
        self._waiting.append(frame)
        if self._task is None:
            self._task = self._loop.create_task(self._run())

    async def _run(self) -> None:
        """Start the process, and answer calls until it ends."""
        process = None
        try:
            process = await asyncio.create_subprocess_exec(
                *(*end_with_parent(), sys.executable, "-P", "-m", "presage_server.explaining.explain_process"),
                stdin=PIPE,
                stdout=PIPE,
                start_new_session=True,  # Ctrl-C is for the server
            )
            assert process.stdin is not None
            assert process.stdout is not None
            process.stdin.write(b"".join([pack(self._project), *self._waiting]))
            self._waiting, self._process = [], process
            while True:
                length = await process.stdout.readexactly(LENGTH_BYTES)
                encoded = await process.stdout.readexactly(int.from_bytes(length, "big"))
                self._answer(msgspec.msgpack.decode(encoded, type=Answer))
        except (OSError, asyncio.IncompleteReadError) as error:
            _logger.error("the process that explains scores has ended: %s", error)  # noqa: TRY400 - no defect of ours
        finally:
            self._process = self._task = None
            self._waiting = []
            lost, self._pending = self._pending, {}
            for call, _ in lost.values():
                call.fail(InternalError("the process that explains scores has ended; see the server's log"))
            if process is not None and process.returncode is None:
                process.kill()
                await process.wait()

    def _answer(self, answer: Answer) -> None:
        call, model = self._pending.pop(answer.number)
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
