"""Targets: what is to be predicted at a decision point, and from which rows of a log it can be told."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import MICROS
from presage_featurizer.state import SESSION_IDLE_MICROS
from presage_training.errors import DatasetError
from presage_training.replaying.recording import NEVER, NO_SESSION, Outcomes, Recording, Rows

__all__ = ["TARGET_NAMES", "Labels", "PurchaseInSession", "PurchaseWithin", "RevenueWithin", "Target", "parse_target"]

TARGET_NAMES = (
    "purchase-in-session",
    "purchase-in-ended-session:MINUTES",
    "purchase-within:DAYS",
    "revenue-within:DAYS",
)
"""What ``parse_target`` takes."""

_MINUTE_MICROS = 60 * MICROS
_DAY_MICROS = 24 * 60 * _MINUTE_MICROS
_IDLE_MINUTES = SESSION_IDLE_MICROS // _MINUTE_MICROS
_MAX_IDLE_MINUTES = 24 * 60
_MAX_DAYS = 3_650
_MAX_SUM_MICROS = 2.0**62


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """What came of each row; one entry for each row of a recording."""

    values: NDArray[np.bool_] | NDArray[np.float64]
    """Whether it came true, or how much it was; means nothing for rows that were not asked or are censored."""
    asked: NDArray[np.bool_]
    """Whether the question makes sense for the row."""
    censored: NDArray[np.bool_]
    """Whether the row was asked, but the log ends before the answer is known."""
    span_starts_unix_micros: NDArray[np.int64]
    """From when on the row depends on its surroundings; see ``Dataset``."""
    span_ends_unix_micros: NDArray[np.int64]
    """When its label was settled; see ``Dataset``."""


class Target(Protocol):
    """What is to be predicted."""

    @property
    def name(self) -> str:
        """What ``parse_target`` makes it of."""

    @property
    def is_classification(self) -> bool:
        """Whether labels are true or false; otherwise they are amounts."""

    @property
    def follows_events(self) -> bool:
        """Whether it can only be asked right after an event."""

    @property
    def needs(self) -> str:
        """What a log must have for the question to make sense, to follow "it has no"."""

    @property
    def censoring(self) -> str:
        """Of what censored rows are, to follow "decision points are"."""

    def label(self, recording: Recording) -> Labels:
        """Label the rows of a replayed log."""


@dataclass(frozen=True, slots=True)
class PurchaseInSession:
    """Does the session still end in a purchase?

    True if a PURCHASE of the row's own session comes later in the log. Not asked at a purchase or anything that follows it in its
    session, nor at events that belong to no session, as refunds. Sessions that were not idle for 30 minutes by the log's end may
    still go on: their rows are censored, unless the session had its purchase.

    Raises:
        DatasetError: The minutes are not from 0 to 1440, or other than 30 without ``ended_only``.
    """

    ended_only: bool = False
    """Whether rows of a session that may go on are censored even if it had its purchase. Otherwise such sessions give positive rows
    only: nothing in a log of weeks, but in a log of hours they can outnumber all others."""
    idle_minutes: int = _IDLE_MINUTES
    """With ``ended_only``: how long a session must have been idle by the log's end to count as ended. The fewer, the more rows a
    short log gives, and the more of those that are called negative would have become positive."""

    def __post_init__(self) -> None:
        if not 0 <= self.idle_minutes <= _MAX_IDLE_MINUTES:
            raise DatasetError(
                f"target: minutes: expected a whole number from 0 to {_MAX_IDLE_MINUTES}, got {self.idle_minutes}"
            )
        if self.idle_minutes != _IDLE_MINUTES and not self.ended_only:
            raise DatasetError(f"target: minutes: expected {_IDLE_MINUTES} without ended_only, got {self.idle_minutes}")

    @property
    def name(self) -> str:
        """``purchase-in-session``, or ``purchase-in-ended-session:<idle_minutes>`` with ``ended_only``."""
        return f"purchase-in-ended-session:{self.idle_minutes}" if self.ended_only else "purchase-in-session"

    @property
    def is_classification(self) -> bool:
        """Yes."""
        return True

    @property
    def follows_events(self) -> bool:
        """Yes: it is about the event's session."""
        return True

    @property
    def needs(self) -> str:
        """Sessions."""
        return "event of a session other than purchases"

    @property
    def censoring(self) -> str:
        """Open sessions."""
        return "of sessions that may go on beyond the log's end"

    def label(self, recording: Recording) -> Labels:
        """Label the rows of a replayed log."""
        rows = recording.rows
        purchased = rows.session_purchase_position != NEVER
        asked = (rows.session != NO_SESSION) & (rows.order < rows.session_purchase_position)
        is_over = rows.session_end_unix_micros + self.idle_minutes * _MINUTE_MICROS < recording.last_unix_micros
        return Labels(
            values=purchased,
            asked=asked,
            censored=asked & ~is_over & (self.ended_only | ~purchased),
            span_starts_unix_micros=rows.session_start_unix_micros,
            span_ends_unix_micros=rows.session_end_unix_micros,
        )


@dataclass(frozen=True, slots=True)
class _Within:
    """What the questions about the next days have in common.

    An outcome counts if its time is within so many days of the decision, the last microsecond included, and if it comes after all
    that the features know of: after the decision's event in the log, and no earlier than the newest time that the visitor was seen.
    So the decision's own event never counts, and others of the same microsecond do if the log has them later. Rows whose days
    reach past the log's end are censored, positive or not: keeping those that are known already would flatter the prevalence.

    Raises:
        DatasetError: The days are not from 1 to 3650.
    """

    days: int
    """How many days of 24 hours."""

    def __post_init__(self) -> None:
        if not 1 <= self.days <= _MAX_DAYS:
            raise DatasetError(f"target: days: expected a whole number from 1 to {_MAX_DAYS}, got {self.days}")

    @property
    def follows_events(self) -> bool:
        """No."""
        return False

    @property
    def needs(self) -> str:
        """Decision points are enough."""
        return "event that the decision points name"

    @property
    def censoring(self) -> str:
        """The horizon."""
        return f"within {self.days} days of the log's end"

    def _sums(self, recording: Recording, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sum values of the outcomes that count, for each row."""
        rows, outcomes = recording.rows, recording.outcomes
        by_time = np.lexsort((outcomes.position, outcomes.time_unix_micros, outcomes.visitor))
        until = rows.time_unix_micros + self.days * _DAY_MICROS
        first = _count_up_to(outcomes, rows, rows.seen_unix_micros, rows.seen_position)
        # A late event can have been seen beyond its own horizon.
        last = np.maximum(first, _count_up_to(outcomes, rows, until, np.full(len(rows), NEVER)))
        most = float(np.abs(values).max(initial=0)) * float((last - first).max(initial=0))
        if most >= _MAX_SUM_MICROS:
            raise DatasetError(
                f"target: amounts of up to {np.abs(values).max() / MICROS:.0f} cannot be summed exactly over {self.days} days: "
                "use fewer days, or leave out orders beyond belief"
            )
        # Sums over all visitors may wrap around; their differences, which are the sums over one row's days, then come out right.
        sums = np.concatenate(([0], np.cumsum(values[by_time])))
        return np.asarray(sums[last] - sums[first], dtype=np.int64)

    def _labels(self, recording: Recording, values: NDArray[np.bool_] | NDArray[np.float64]) -> Labels:
        times = recording.rows.time_unix_micros
        ends = times + self.days * _DAY_MICROS
        return Labels(
            values=values,
            asked=np.ones(len(times), dtype=np.bool_),
            censored=ends > recording.last_unix_micros,
            span_starts_unix_micros=times,
            span_ends_unix_micros=ends,
        )


@dataclass(frozen=True, slots=True)
class PurchaseWithin(_Within):
    """Does the visitor purchase within so many days? True if any PURCHASE counts; see ``_Within`` for which do."""

    @property
    def name(self) -> str:
        """``purchase-within:<days>``."""
        return f"purchase-within:{self.days}"

    @property
    def is_classification(self) -> bool:
        """Yes."""
        return True

    def label(self, recording: Recording) -> Labels:
        """Label the rows of a replayed log."""
        return self._labels(recording, self._sums(recording, recording.outcomes.is_purchase.astype(np.int64)) > 0)


@dataclass(frozen=True, slots=True)
class RevenueWithin(_Within):
    """How much money does the visitor bring in within so many days? See ``_Within`` for which outcomes count.

    In units of the shop's currency: the PURCHASEs less the REFUNDs, each at its own time, as ``monetary_value`` counts them. So a
    refund of an order from before the decision is in it, and the label can be below 0; it is what the feature changes by.
    """

    @property
    def name(self) -> str:
        """``revenue-within:<days>``."""
        return f"revenue-within:{self.days}"

    @property
    def is_classification(self) -> bool:
        """No."""
        return False

    def label(self, recording: Recording) -> Labels:
        """Label the rows of a replayed log."""
        return self._labels(recording, self._sums(recording, recording.outcomes.money_micros) / MICROS)


def parse_target(text: str) -> Target:
    """Read a target as a command line names it, for example ``purchase-within:30``.

    Raises:
        DatasetError: There is none of that name, or its number is not what it takes.
    """
    if text == "purchase-in-session":
        return PurchaseInSession()
    kind, colon, number = text.partition(":")
    of_number: dict[str, Callable[[int], Target]] = {
        "purchase-in-ended-session": lambda minutes: PurchaseInSession(ended_only=True, idle_minutes=minutes),
        "purchase-within": PurchaseWithin,
        "revenue-within": RevenueWithin,
    }
    if colon and kind in of_number and number.isdecimal() and number.isascii():
        return of_number[kind](int(number))
    raise DatasetError(f"target: expected one of {', '.join(TARGET_NAMES)}, got {text!r}")


def _count_up_to(
    outcomes: Outcomes, rows: Rows, time_unix_micros: NDArray[np.int64], position: NDArray[np.int64]
) -> NDArray[np.int64]:
    """Count, for each row, the outcomes whose visitor, time and position are no greater, in that order of importance."""
    keys = [
        np.concatenate(pair)
        for pair in (
            (np.zeros(len(outcomes.visitor), dtype=np.int64), np.ones(len(rows), dtype=np.int64)),
            (outcomes.position, position),
            (outcomes.time_unix_micros, time_unix_micros),
            (outcomes.visitor, rows.visitor),
        )
    ]
    order = np.lexsort(keys)
    counts = np.empty(len(order), dtype=np.int64)
    counts[order] = np.cumsum(keys[0][order] == 0)
    return counts[len(outcomes.visitor) :]
