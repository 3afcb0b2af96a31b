"""Targets: what to predict at a decision point, and the labels of a log's rows."""

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
"""The names that ``parse_target`` accepts."""

_MINUTE_MICROS = 60 * MICROS
_DAY_MICROS = 24 * 60 * _MINUTE_MICROS
_IDLE_MINUTES = SESSION_IDLE_MICROS // _MINUTE_MICROS
_MAX_IDLE_MINUTES = 24 * 60
_MAX_DAYS = 3_650
_MAX_SUM_MICROS = 2.0**62


@dataclass(frozen=True, kw_only=True, slots=True)
class Labels:
    """One entry for each row of a recording."""

    values: NDArray[np.bool_] | NDArray[np.float64]
    """True or false, or an amount; undefined for rows that are not eligible or are censored."""
    eligible: NDArray[np.bool_]
    """Whether the target is defined for the row."""
    censored: NDArray[np.bool_]
    """Whether the row is eligible, but the log ends before its label is known."""
    span_starts_unix_micros: NDArray[np.int64]
    """The start of the time that the row depends on; see ``Dataset``."""
    span_ends_unix_micros: NDArray[np.int64]
    """The time from which the label is known; see ``Dataset``."""


class Target(Protocol):
    """What to predict."""

    @property
    def name(self) -> str:
        """The text that ``parse_target`` reads."""

    @property
    def is_classification(self) -> bool:
        """Whether labels are true or false; otherwise they are amounts."""

    @property
    def follows_events(self) -> bool:
        """Whether it is defined only right after an event."""

    @property
    def none_eligible_message(self) -> str:
        """The error message for a log whose rows are all not eligible."""

    def all_censored_message(self, rows: int) -> str:
        """Return the error message for a log whose eligible rows are all censored."""

    def label(self, recording: Recording) -> Labels:
        """Label the rows of a replayed log."""


@dataclass(frozen=True, slots=True)
class PurchaseInSession:
    """Does the session still end in a purchase?

    True if a PURCHASE of the row's own session comes later in the log. Not eligible: a purchase, the events that follow it in its
    session, and events without a session, such as refunds. Sessions that were not idle for 30 minutes by the log's end may still go
    on: their rows are censored, unless the session has a purchase.

    Raises:
        DatasetError: The minutes are not from 0 to 1440, or other than 30 without ``ended_only``.
    """

    ended_only: bool = False
    """Whether rows of a session that may go on are censored even if it has a purchase. Otherwise such sessions give positive rows
    only: negligible in a log of weeks, but in a log of hours they can be the majority."""
    idle_minutes: int = _IDLE_MINUTES
    """With ``ended_only``: how long a session must have been idle by the log's end to count as ended. Fewer minutes give more rows
    of a short log, but also more negative rows that would have become positive."""

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
        return True

    @property
    def follows_events(self) -> bool:
        return True

    @property
    def none_eligible_message(self) -> str:
        return (
            "the log gives no decision point, as it has no event of a session other than purchases: "
            "name another target, other decisions or a longer log"
        )

    def all_censored_message(self, rows: int) -> str:
        return f"all {rows} decision points are of sessions that may go on beyond the log's end: use a longer log"

    def label(self, recording: Recording) -> Labels:
        rows = recording.rows
        purchased = rows.session_purchase_position != NEVER
        eligible = (rows.session != NO_SESSION) & (rows.order < rows.session_purchase_position)
        is_over = rows.session_end_unix_micros + self.idle_minutes * _MINUTE_MICROS < recording.last_unix_micros
        return Labels(
            values=purchased,
            eligible=eligible,
            censored=eligible & ~is_over & (self.ended_only | ~purchased),
            span_starts_unix_micros=rows.session_start_unix_micros,
            span_ends_unix_micros=rows.session_end_unix_micros,
        )


@dataclass(frozen=True, slots=True)
class _Within:
    """Base of the targets about the days after a decision.

    An outcome counts if its time is within the given days of the decision, the last microsecond included, and if it is not in the
    features: it comes after the decision's event in the log, and no earlier than the visitor's newest event. So the decision's own
    event never counts, and later log entries of the same microsecond do. Rows whose days extend past the log's end are censored,
    positive or not: keeping the positive ones would inflate the prevalence.

    Raises:
        DatasetError: The days are not from 1 to 3650.
    """

    days: int
    """Days of 24 hours."""

    def __post_init__(self) -> None:
        if not 1 <= self.days <= _MAX_DAYS:
            raise DatasetError(f"target: days: expected a whole number from 1 to {_MAX_DAYS}, got {self.days}")

    @property
    def follows_events(self) -> bool:
        return False

    @property
    def none_eligible_message(self) -> str:
        return (
            "the log gives no decision point, as it has no event that the decision points name: "
            "name another target, other decisions or a longer log"
        )

    def all_censored_message(self, rows: int) -> str:
        return f"all {rows} decision points are within {self.days} days of the log's end: use a longer log"

    def _sums(self, recording: Recording, values: NDArray[np.int64]) -> NDArray[np.int64]:
        """Sum the values of the outcomes that count for each row."""
        rows, outcomes = recording.rows, recording.outcomes
        by_time = np.lexsort((outcomes.position, outcomes.time_unix_micros, outcomes.visitor))
        until = rows.time_unix_micros + self.days * _DAY_MICROS
        first = _count_up_to(outcomes, rows, rows.seen_unix_micros, rows.seen_position)
        # The newest event of a visitor can be later than the horizon of a late event.
        last = np.maximum(first, _count_up_to(outcomes, rows, until, np.full(len(rows), NEVER)))
        most = float(np.abs(values).max(initial=0)) * float((last - first).max(initial=0))
        if most >= _MAX_SUM_MICROS:
            raise DatasetError(
                f"target: amounts of up to {np.abs(values).max() / MICROS:.0f} cannot be summed exactly over {self.days} days: "
                "use fewer days, or remove implausibly large orders from the log"
            )
        # Sums over all visitors may overflow; their differences, the sums over one row's days, are exact all the same.
        sums = np.concatenate(([0], np.cumsum(values[by_time])))
        return np.asarray(sums[last] - sums[first], dtype=np.int64)

    def _labels(self, recording: Recording, values: NDArray[np.bool_] | NDArray[np.float64]) -> Labels:
        times = recording.rows.time_unix_micros
        ends = times + self.days * _DAY_MICROS
        return Labels(
            values=values,
            eligible=np.ones(len(times), dtype=np.bool_),
            censored=ends > recording.last_unix_micros,
            span_starts_unix_micros=times,
            span_ends_unix_micros=ends,
        )


@dataclass(frozen=True, slots=True)
class PurchaseWithin(_Within):
    """Does the visitor purchase within some days? True if any PURCHASE counts; see ``_Within``."""

    @property
    def name(self) -> str:
        """``purchase-within:<days>``."""
        return f"purchase-within:{self.days}"

    @property
    def is_classification(self) -> bool:
        return True

    def label(self, recording: Recording) -> Labels:
        return self._labels(recording, self._sums(recording, recording.outcomes.is_purchase.astype(np.int64)) > 0)


@dataclass(frozen=True, slots=True)
class RevenueWithin(_Within):
    """How much revenue does the visitor bring within some days? See ``_Within`` for the outcomes that count.

    In units of the shop's currency: the PURCHASEs minus the REFUNDs, each at its own time, as ``monetary_value`` counts them. A
    refund of an order from before the decision is included, so the label can be negative; it is the change of that feature.
    """

    @property
    def name(self) -> str:
        """``revenue-within:<days>``."""
        return f"revenue-within:{self.days}"

    @property
    def is_classification(self) -> bool:
        return False

    def label(self, recording: Recording) -> Labels:
        return self._labels(recording, self._sums(recording, recording.outcomes.money_micros) / MICROS)


def parse_target(text: str) -> Target:
    """Read a target as a command line names it, for example ``purchase-within:30``.

    Raises:
        DatasetError: The name is unknown, or its number is out of range.
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
    """Count, for each row, the outcomes up to it in the order of visitor, time and position."""
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
