"""A visitor's events folded again, as the servers did: the state, and so the features, at each moment."""

from __future__ import annotations

from collections.abc import Container, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_console.visitor.history import History
from presage_featurizer import (
    NO_AGGREGATES,
    Aggregates,
    Event,
    FeatureSet,
    State,
    feature_rows,
    featurize,
    visitor_subject,
)
from presage_featurizer.digests import digest
from presage_featurizer.event_log import EntryId, ServedVector

__all__ = ["Moment", "Replayed", "Served", "moment_rows", "replay", "served_after"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Moment:
    """A visitor right after one event."""

    number: int
    """Of the event, from 1, in the order in which the servers applied them."""
    event: Event
    stored: EntryId
    """When the store got it."""
    begins: bool
    """Whether the event found no state: the visitor was new, had expired, or could not be read."""
    duplicate: bool
    """Whether its id had been counted already, so that nothing changed."""
    late: bool
    """Whether an event that happened later was applied before it."""
    complete: bool
    """Whether all that the state was made of is in the archive."""
    before: State | None
    """The state before the event; None if there was none."""
    state: State
    """The state right after it."""

    @property
    def as_of_unix_micros(self) -> int:
        """The moment that is featurized: the event's own, as where TrackEvent answers with a score."""
        return self.event.event_time_unix_micros


@dataclass(frozen=True, kw_only=True, slots=True)
class Replayed:
    """A visitor's events, folded."""

    moments: tuple[Moment, ...]
    """Those that were asked for."""
    last: Moment | None
    """The last of all; None without events."""
    item_names: dict[bytes, str]
    """The ids of all items of the visitor's events, by their digests."""


def replay(history: History, wanted: Container[int], aggregates: Aggregates = NO_AGGREGATES) -> Replayed:
    """Fold a visitor's events, and keep the moments after some of them.

    Args:
        history: The visitor's events.
        wanted: The numbers of the events, from 1, whose moments are kept: each takes some kilobytes.
        aggregates: What else the fold keeps, for a project's own features.
    """
    fold = visitor_subject(aggregates).fold
    state: State | None = None
    moments: list[Moment] = []
    last: Moment | None = None
    item_names: dict[bytes, str] = {}
    complete = False
    count = len(history.rows)
    for number, row in enumerate(history.rows, 1):
        event = row.event
        assert event is not None
        before = None if row.fresh else state
        complete = row.fresh or complete
        state = fold(before, event)
        for item in event.items:
            item_names[digest(item.item_id)] = item.item_id
        if number in wanted or number == count:
            last = Moment(
                number=number,
                event=event,
                stored=row.entry_id,
                begins=row.fresh,
                duplicate=state is before,
                late=before is not None and event.event_time_unix_micros < before.last_seen_unix_micros,
                complete=complete,
                before=before,
                state=state,
            )
            if number in wanted:
                moments.append(last)
    return Replayed(moments=tuple(moments), last=last, item_names=item_names)


def moment_rows(moments: Sequence[Moment], feature_set: FeatureSet) -> NDArray[np.float32]:
    """Compute the features right after each event, float32 ``[moments, features]``: those of the event's session."""
    return feature_rows(
        [moment.state for moment in moments],
        [moment.as_of_unix_micros for moment in moments],
        [moment.event.session_id for moment in moments],
        feature_set,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class Served:
    """A vector that was served after an event, and sampled into the log."""

    vector: ServedVector
    differs: tuple[str, ...] | None
    """The features that the replay has otherwise; None if not comparable: another feature set, or only a part replayed."""


def served_after(moment: Moment, vectors: Sequence[ServedVector], feature_set: FeatureSet | None) -> list[Served]:
    """Find the vectors whose state ended with a moment's event, and compare each with the replay, bit for bit."""
    last_event = digest(moment.event.event_id)
    return [
        Served(vector=vector, differs=_differences(moment, vector, feature_set))
        for vector in vectors
        if vector.last_event == last_event
    ]


def _differences(moment: Moment, vector: ServedVector, feature_set: FeatureSet | None) -> tuple[str, ...] | None:
    if feature_set is None or not moment.complete or feature_set.fingerprint != vector.fingerprint:
        return None
    served = vector.features
    if len(served) != len(feature_set.features):
        return None
    row = featurize(moment.state, vector.as_of_unix_micros, feature_set, session_id=vector.session_id)
    places = np.flatnonzero(served.view(np.uint32) != row.view(np.uint32)).tolist()
    return tuple(feature_set.features[place] for place in places)
