"""A replayed log in columns: a row for each decision point, and an outcome for each purchase and refund."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields, replace
from typing import Any, TypeVar

import numpy as np
from numpy.typing import NDArray

from presage_training.replaying.event_order import EventOrder, merge_orders

__all__ = ["NEVER", "NO_SESSION", "Outcomes", "Recording", "Rows", "merge"]

NEVER = np.iinfo(np.int64).max
"""The position of an event that never happened."""

NO_SESSION = -1
"""The session number of a row without a session."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rows:
    """One entry for each decision point, independent of the target.

    A visitor's number is the position of its first event in the log, a session's that of its first row or PURCHASE: they do not
    depend on how visitors are distributed over processes.
    """

    features: NDArray[np.float32]
    """Shape (rows, features of the set)."""
    order: NDArray[np.int64]
    """The log position of the decision point's event; its time if it follows no event."""
    visitor: NDArray[np.int64]
    time_unix_micros: NDArray[np.int64]
    """When the decision was due."""
    seen_unix_micros: NDArray[np.int64]
    """The newest time that the features include, ..."""
    seen_position: NDArray[np.int64]
    """... and the log position up to which they include events of that microsecond; -1 for none."""
    session: NDArray[np.int64]
    """NO_SESSION where the event belongs to no session, or there is no event."""
    session_start_unix_micros: NDArray[np.int64]
    """0 without a session. This and the next two columns are as of the log's end."""
    session_end_unix_micros: NDArray[np.int64]
    """The time of the session's last event; 0 without a session."""
    session_purchase_position: NDArray[np.int64]
    """The log position of the session's first PURCHASE; NEVER without one."""
    prefix_length: NDArray[np.int32]
    """Events of the session up to the decision; 0 without a session."""
    known: NDArray[np.bool_]
    """Whether the log names the visitor."""
    device: NDArray[np.int8]
    """The last device seen, as a number of ``Device``."""
    country: NDArray[np.str_]
    """The last country seen; empty if none was."""

    def __len__(self) -> int:
        return len(self.order)

    def take(self, chosen: NDArray[Any]) -> Rows:
        """Select rows by a mask or by indices."""
        return Rows(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcomes:
    """One entry for each PURCHASE and REFUND that was counted."""

    visitor: NDArray[np.int64]
    position: NDArray[np.int64]
    time_unix_micros: NDArray[np.int64]
    money_micros: NDArray[np.int64]
    """The revenue, negative for a REFUND; limited to MAX_MONEY_MICROS, as in the visitor's state."""
    is_purchase: NDArray[np.bool_]

    def take(self, chosen: NDArray[Any]) -> Outcomes:
        """Select outcomes by a mask or by indices."""
        return Outcomes(**{column.name: getattr(self, column.name)[chosen] for column in fields(self)})


_Columns = TypeVar("_Columns", Rows, Outcomes)


@dataclass(frozen=True, kw_only=True, slots=True)
class Recording:
    rows: Rows
    outcomes: Outcomes
    events: int
    """Events of the log, duplicates included."""
    duplicates: int
    """Events that were ignored because their visitor had one with the same id shortly before."""
    visitors: int
    order: EventOrder
    """How many events are out of order."""
    first_unix_micros: int
    """The oldest time of an event; 0 for an empty log."""
    last_unix_micros: int
    """The newest time of an event: where the log ends; 0 for an empty log."""


def merge(parts: Sequence[Recording]) -> Recording:
    """Merge recordings of disjoint visitors of one log; the order of rows and outcomes depends on the log alone."""
    rows = _concatenate([part.rows for part in parts])
    outcomes = _concatenate([part.outcomes for part in parts])
    return replace(
        parts[0],
        rows=_in_order(rows, np.lexsort((rows.visitor, rows.order))),
        outcomes=_in_order(outcomes, np.argsort(outcomes.position)),
        events=sum(part.events for part in parts),
        duplicates=sum(part.duplicates for part in parts),
        visitors=sum(part.visitors for part in parts),
        order=merge_orders([part.order for part in parts]),
        first_unix_micros=min((part.first_unix_micros for part in parts if part.events), default=0),
        last_unix_micros=max(part.last_unix_micros for part in parts),
    )


def _concatenate(parts: Sequence[_Columns]) -> _Columns:
    if len(parts) == 1:
        return parts[0]
    columns = {
        column.name: np.concatenate([getattr(part, column.name) for part in parts]) for column in fields(parts[0])
    }
    return type(parts[0])(**columns)


def _in_order(columns: _Columns, order: NDArray[np.int64]) -> _Columns:
    # Columns that are in order, as those of a single worker are, need no copy.
    return columns if np.array_equal(order, np.arange(len(order))) else columns.take(order)
