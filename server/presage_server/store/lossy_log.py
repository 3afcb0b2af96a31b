"""Entries of the event log that nobody waits for: samples and exposures, dropped and counted where the store does not keep up."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from time import monotonic
from typing import Protocol

from presage_server.errors import CommandRejectedError, RpcError, StoreFullError, UnreadableStateError
from presage_server.telemetry.counting import Count

__all__ = ["EntryWriter", "LossyLog"]

_logger = logging.getLogger(__name__)

_MAX_WAITING = 1_000
_CALM_SECONDS = 1.0
"""An outage ends with the first entry logged this long after the last that was dropped."""


class EntryWriter(Protocol):
    """Puts entries into the event log."""

    def log_entry(self, user_id: str, field: str, encoded: bytes, on_result: Callable[[RpcError | None], None]) -> None:
        """Append one to the stream of its visitor's events, at most once."""
        ...


class LossyLog:
    """Logs entries of one kind. While a thousand of them wait for the store, further ones are dropped and counted.

    Args:
        what: What the entries are, in the log: ``sampled vectors``.
        field: The field of the stream's entry that holds them.
        writer: Takes them.
        logged: Counts those that were logged.
        dropped: Counts those that were not, by reason: backlog, rejected, unavailable.
        clock: Seconds.
    """

    def __init__(
        self,
        *,
        what: str,
        field: str,
        writer: EntryWriter,
        logged: Count,
        dropped: Mapping[str, Count],
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self._what = what
        self._field = field
        self._writer = writer
        self._logged = logged
        self._dropped = dropped
        self._clock = clock
        self._waiting = 0
        self._logged_texts: set[str] = set()
        """The causes of the present outage that are in the log; empty without one."""
        self._lost = 0
        self._first_drop_at = self._last_drop_at = 0.0

    def offer(self, user_id: str, encode: Callable[[], bytes]) -> None:
        """Log an entry, or drop it, without encoding it, if too many wait already."""
        if self._waiting >= _MAX_WAITING:
            self._drop("backlog", f"{_MAX_WAITING:,} of them wait for a store that is too slow")
            return
        self._waiting += 1
        self._writer.log_entry(user_id, self._field, encode(), self._on_result)

    def _on_result(self, error: RpcError | None) -> None:
        self._waiting -= 1
        if error is None:
            self._logged.inc()
            if self._logged_texts and self._clock() - self._last_drop_at >= _CALM_SECONDS:
                self._end_outage()
        else:
            self._drop(*_cause_of(error))

    def _drop(self, reason: str, text: str) -> None:
        """Count an entry that is not logged; the log has one line for each cause of an outage."""
        self._dropped[reason].inc()
        self._last_drop_at = self._clock()
        if not self._logged_texts:
            self._first_drop_at, self._lost = self._last_drop_at, 0
        self._lost += 1
        if text not in self._logged_texts:
            self._logged_texts.add(text)
            _logger.warning("%s are dropped: %s", self._what, text)

    def _end_outage(self) -> None:
        self._logged_texts.clear()
        seconds = self._last_drop_at - self._first_drop_at
        _logger.warning("%s are logged again: %s were dropped in %.0f s", self._what, f"{self._lost:,}", seconds)


def _cause_of(error: RpcError) -> tuple[str, str]:
    """Return the reason that the metric has for an error of the store, and a text for the log.

    The error's own text is for callers: it asks them to try again, which nobody does here, and refers them to this log.
    """
    if isinstance(error, StoreFullError):
        return "rejected", "the store is out of memory"
    if isinstance(error, CommandRejectedError | UnreadableStateError):
        return "rejected", "the store rejects them, for the reason logged before"
    return "unavailable", "the store does not answer, or is not ready for writes"
