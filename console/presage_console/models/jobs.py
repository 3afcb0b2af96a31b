"""Measurements of the archive that pages wait for: one process at a time, and each answer kept while the archive is the same."""

from __future__ import annotations

import asyncio
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from presage_console.models.measurements import Failure, Measured, Question, archive_stamp

__all__ = ["Answer", "Measurements", "measure_in_process"]

_MODULE: Final = "presage_console.models.measuring"
_MOST_KEPT: Final = 32
_SETTLED_SECONDS: Final = 60
"""An answer is at least this old before the archive is read again for newer batches."""
_MOST_ERROR_CHARACTERS: Final = 1_000

Run = Callable[[Question], Awaitable[Measured]]


@dataclass(frozen=True, kw_only=True, slots=True)
class Answer:
    """What is known of a question."""

    measured: Measured | None
    """None while it is measured for the first time."""
    measured_at_unix_micros: int
    """When; 0: never."""
    is_running: bool
    """Whether it is being measured, or waits for that."""


@dataclass(slots=True)
class _Entry:
    measured: Measured | None = None
    measured_at_unix_micros: int = 0
    stamp: tuple[int, int] = (0, 0)
    """Of the archive that was measured."""
    task: asyncio.Task[None] | None = None


class Measurements:
    """Answers questions about archives.

    Args:
        now: Returns the time, in microseconds of Unix time.
        run: Measures; in a process of its own unless a test has another way.
    """

    def __init__(self, now: Callable[[], int], run: Run | None = None) -> None:
        self._now = now
        self._run = run or measure_in_process
        self._entries: dict[Question, _Entry] = {}
        self._turn = asyncio.Semaphore(1)

    def known(self, question: Question) -> Measured | None:
        """Return what was measured last; None if nothing was. Starts nothing."""
        entry = self._entries.get(question)
        return None if entry is None else entry.measured

    def look(self, question: Question) -> Answer:
        """Return what is known, and start to measure where nothing is or the archive has grown since. Does not wait."""
        entry = self._entries.pop(question, None) or _Entry()
        self._entries[question] = entry  # the one that was asked for last is dropped last
        while len(self._entries) > _MOST_KEPT:
            self._drop(next(iter(self._entries)))
        if entry.task is None and self._is_due(question, entry):
            entry.task = asyncio.create_task(self._measure(question, entry))
        return Answer(
            measured=entry.measured,
            measured_at_unix_micros=entry.measured_at_unix_micros,
            is_running=entry.task is not None,
        )

    async def wait(self, question: Question, seconds: float | None = None) -> Answer:
        """Return what is known once it is measured, or after so many seconds."""
        self.look(question)
        task = self._entries[question].task
        if task is not None:
            await asyncio.wait([task], timeout=seconds)
        return self.look(question)

    def _is_due(self, question: Question, entry: _Entry) -> bool:
        if entry.measured is None:
            return True
        settled = self._now() - entry.measured_at_unix_micros >= _SETTLED_SECONDS * 1_000_000
        return settled and archive_stamp(Path(question.archive)) != entry.stamp

    async def _measure(self, question: Question, entry: _Entry) -> None:
        try:
            async with self._turn:
                stamp = archive_stamp(Path(question.archive))
                entry.measured = await self._run(question)
                entry.measured_at_unix_micros, entry.stamp = self._now(), stamp
        finally:
            entry.task = None

    def _drop(self, question: Question) -> None:
        task = self._entries.pop(question).task
        if task is not None:
            task.cancel()


async def measure_in_process(question: Question) -> Measured:
    """Measure in a process of its own, which ends when this is cancelled."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-P",  # whatever lies in the folder that the console was started in
        "-m",
        _MODULE,
        msgspec.json.encode(question).decode(),
        stdin=asyncio.subprocess.PIPE,  # its end is the process's, also where this one is killed
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    try:
        answer, errors = await asyncio.gather(process.stdout.read(), process.stderr.read())
        status = await process.wait()
    finally:
        process.stdin.close()
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status:
        output = errors.decode(errors="replace").strip()[-_MOST_ERROR_CHARACTERS:]
        return Failure(
            message=f"the process that measures ended with status {status}: {output or 'it printed nothing'}"
        )
    measured: Measured = msgspec.json.decode(answer, type=Measured)
    return measured
