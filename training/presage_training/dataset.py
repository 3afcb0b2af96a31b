"""Point-in-time rows: what a server would have known at each decision, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CONVERSION, Event, EventType, FeatureSet, State, featurize
from presage_featurizer.state import SESSION_IDLE_MICROS, Session
from presage_training.errors import DatasetError
from presage_training.replay import Replay

__all__ = ["Dataset", "purchase_in_session", "split_by_time"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Rows of features with their labels; all arrays have one entry for each decision point."""

    features: NDArray[np.float32]
    """Shape (rows, features of the set), as a server would have served them."""
    labels: NDArray[np.bool_]
    """What came of it."""
    times_unix_micros: NDArray[np.int64]
    """When the decision was due."""
    session_starts_unix_micros: NDArray[np.int64]
    """When the row's session began."""
    session_ends_unix_micros: NDArray[np.int64]
    """When the row's session had its last event."""

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.labels)

    def take(self, chosen: NDArray[np.bool_]) -> Dataset:
        """Choose rows by a mask."""
        return Dataset(
            features=self.features[chosen],
            labels=self.labels[chosen],
            times_unix_micros=self.times_unix_micros[chosen],
            session_starts_unix_micros=self.session_starts_unix_micros[chosen],
            session_ends_unix_micros=self.session_ends_unix_micros[chosen],
        )


@dataclass(slots=True)
class _SessionRows:
    """One session of the log and the rows that it gave."""

    start_unix_micros: int
    end_unix_micros: int
    purchased: bool
    rows: list[int]


def purchase_in_session(events: Iterable[Event], feature_set: FeatureSet = CONVERSION) -> Dataset:
    """Make one row for each event of each session: does the session still end in a purchase?

    The event is in the features, nothing after it is. No row is made for a purchase or for what follows it in its session, nor for
    a refund, which belongs to no session. Sessions that were not idle for 30 minutes by the log's end may still go on, and give
    rows only if they have had their purchase.

    Args:
        events: The log, in the order in which a server would have got it.
        feature_set: Which features.

    Raises:
        DatasetError: The log gives no row, or only rows of sessions that may still go on.
    """
    replay = Replay()
    sessions: list[_SessionRows] = []
    open_sessions: dict[tuple[str, str], _SessionRows] = {}
    vectors: list[NDArray[np.float32]] = []
    times: list[int] = []
    log_end = 0
    for event in events:
        now = event.event_time_unix_micros
        log_end = max(log_end, now)
        before = replay.states.get(event.user_id)
        state = replay.fold(event)
        entered = _entered_session(before, state)
        if entered is None:
            continue
        if entered.event_count == 1:
            sessions.append(_SessionRows(now, now, purchased=False, rows=[]))
            open_sessions[event.user_id, event.session_id] = sessions[-1]
        session = open_sessions[event.user_id, event.session_id]
        session.start_unix_micros, session.end_unix_micros = entered.start_unix_micros, entered.last_unix_micros
        if session.purchased or event.type == EventType.PURCHASE:
            session.purchased = True
            continue
        session.rows.append(len(times))
        times.append(now)
        vectors.append(featurize(state, now, feature_set, session_id=event.session_id))
    if not times:
        raise DatasetError("the log gives no decision point: it has no event of a session other than purchases")
    dataset = _label(sessions, vectors, times, log_end)
    if not len(dataset):
        raise DatasetError(
            f"all {len(times)} decision points are of sessions that may go on beyond the log's end: use a longer log"
        )
    return dataset


def split_by_time(dataset: Dataset, share: float) -> tuple[Dataset, Dataset]:
    """Split so that all of the first part was over before any of the second began.

    Args:
        dataset: The rows.
        share: How much of the log's time the first part covers, between 0 and 1.

    Returns:
        The sessions that ended before the cut, and those that began after it; sessions across the cut are in neither.

    Raises:
        DatasetError: One of the parts would be empty, or have labels of one kind only.
    """
    if not len(dataset):
        raise DatasetError("there are no rows to split: use a longer log")
    first, last = int(dataset.times_unix_micros.min()), int(dataset.times_unix_micros.max())
    cut = first + round((last - first) * share)
    parts = (
        dataset.take(dataset.session_ends_unix_micros < cut),
        dataset.take(dataset.session_starts_unix_micros >= cut),
    )
    for name, part in zip(("before", "after"), parts, strict=True):
        if not len(part) or part.labels.all() or not part.labels.any():
            raise DatasetError(
                f"the part {name} {share:.0%} of the log's time has {len(part)} rows, {int(part.labels.sum())} of them positive; "
                "expected both kinds: use a longer log"
            )
    return parts


def _entered_session(before: State | None, state: State) -> Session | None:
    """Find the session that the last event went into; None for a duplicate, a refund, or a session that was over."""
    # The fold puts it last, as a fresh copy.
    last = state.sessions[-1] if state.sessions else None
    known = before.sessions if before is not None else ()
    return None if any(last is session for session in known) else last


def _label(
    sessions: Iterable[_SessionRows], vectors: list[NDArray[np.float32]], times: list[int], log_end: int
) -> Dataset:
    known = np.zeros(len(times), dtype=np.bool_)
    labels = np.zeros(len(times), dtype=np.bool_)
    starts = np.zeros(len(times), dtype=np.int64)
    ends = np.zeros(len(times), dtype=np.int64)
    for session in sessions:
        known[session.rows] = session.purchased or session.end_unix_micros + SESSION_IDLE_MICROS < log_end
        labels[session.rows] = session.purchased
        starts[session.rows] = session.start_unix_micros
        ends[session.rows] = session.end_unix_micros
    return Dataset(
        features=np.stack(vectors),
        labels=labels,
        times_unix_micros=np.array(times, dtype=np.int64),
        session_starts_unix_micros=starts,
        session_ends_unix_micros=ends,
    ).take(known)
