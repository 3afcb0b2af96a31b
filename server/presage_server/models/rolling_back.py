"""Rollbacks made to last: the guard drops a challenger in its own process, and this drops it from the aliases of all of them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from pathlib import Path

from presage_export.registry import AliasesError, StaleAliasesError, drop_challenger, read_aliases, replace_aliases
from presage_server.clock import Clock
from presage_server.models.guarding import Rollback
from presage_server.telemetry.counting import Counters

__all__ = ["Rollbacks", "write_rollback"]

_logger = logging.getLogger(__name__)

_CHANGED_BY = "guard"
_ATTEMPTS = 10


class Rollbacks:
    """Writes the guard's rollbacks to the aliases' files, in threads, so that no call waits for the disk.

    Args:
        models: The folder of bundles.
        loop: The loop that the threads are started from; the guard runs elsewhere.
        clock: Returns the time in microseconds.
        written: Counts those that this process was the first to write, by the model's name.
        not_written: Counts those that could not be written.
        hold: Called with each of the latter, to have it hold in this process whatever else of the model is changed.
    """

    def __init__(
        self,
        models: Path,
        loop: asyncio.AbstractEventLoop,
        clock: Clock,
        *,
        written: Counters,
        not_written: Counters,
        hold: Callable[[Rollback], None],
    ) -> None:
        self._models = models
        self._loop = loop
        self._clock = clock
        self._written = written
        self._not_written = not_written
        self._hold = hold
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self, rollback: Rollback) -> None:
        """Begin to write one; from any thread."""
        self._loop.call_soon_threadsafe(self._start, rollback)

    async def finish(self) -> None:
        """Wait for those that were begun."""
        await asyncio.gather(*self._tasks)

    def _start(self, rollback: Rollback) -> None:
        task = self._loop.create_task(self._write(rollback))
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)

    async def _write(self, rollback: Rollback) -> None:
        try:
            written = await asyncio.to_thread(write_rollback, self._models / rollback.model, rollback, self._clock())
        except (AliasesError, OSError) as error:
            self._hold(rollback)
            self._not_written[rollback.model,].inc()
            _logger.error(  # noqa: TRY400 - a folder that cannot be written needs no traceback
                "model %s: the rollback holds in this process only, until it is started again: %s",
                rollback.model,
                error,
            )
            return
        if written:
            self._written[rollback.model,].inc()


def write_rollback(folder: Path, rollback: Rollback, now_unix_micros: int) -> bool:
    """Drop the challenger that was rolled back from the aliases of a model's folder; whatever else was changed meanwhile stays.

    Returns:
        Whether they were changed; False if they name another challenger by now, or none.

    Raises:
        AliasesError: They cannot be read.
        OSError: They cannot be written.
    """
    for _ in range(_ATTEMPTS):
        aliases = read_aliases(folder)
        if not aliases.challenger or aliases.challenger != rollback.aliases.challenger:
            return False
        if aliases.salt != rollback.aliases.salt:
            return False  # another experiment with the same version: somebody wants it tried again
        after = drop_challenger(aliases)
        try:
            replace_aliases(
                folder, after, now_unix_micros=now_unix_micros, changed_by=_CHANGED_BY, reason=rollback.reason
            )
        except StaleAliasesError:
            continue  # another worker or an operator was first
        return True
    return False
