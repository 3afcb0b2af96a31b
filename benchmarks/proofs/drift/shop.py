"""The simulated shop whose traffic does not change from week to week: visitors come, stay for some weeks, and go."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from itertools import islice

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CONVERSION, MICROS, Event, EventType, FeatureSet, feature_rows
from presage_featurizer.custom import CustomFeatures
from presage_training.replaying.replay import Replay
from presage_training.simulator import Shop, simulate

__all__ = [
    "DAY_MICROS",
    "FEATURES",
    "OWN",
    "START_UNIX_MICROS",
    "WEEK_MICROS",
    "Rows",
    "fold_all",
    "new_visitors",
    "replay",
    "shop_events",
]

DAY_MICROS = 86_400 * MICROS
WEEK_MICROS = 7 * DAY_MICROS
START_UNIX_MICROS = int(dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp()) * MICROS  # a Monday

_STAY_DAYS = 28
_CHUNK = 5_000
_SCORE_EVERY = 2

OWN = CustomFeatures.parse(
    """
name = "shoes"
extends = "conversion"

[features]
shoe_views = { aggregate = "count", over = "session", events = ["VIEW_ITEM"], where = { "item.category" = "shoes" } }
"""
)

FEATURES = FeatureSet(
    name="drift",
    features=(
        *CONVERSION.features,
        *("session_duration_minutes", "country_encoded", "day_of_week", "month", "shoe_views"),
    ),
    countries=("DE", "FR", "ES", "IT", "NL", "AT", "BE", "IE", "PT", "FI"),
    custom=OWN,
)
"""The features of the default set, and some that react to what is planted."""


def shop_events(*, visitors_a_day: int, weeks: int, seed: int) -> Iterator[Event]:
    """Simulate a shop whose visitors come for the first time on every day alike; in the first four weeks it fills up.

    Args:
        visitors_a_day: How many new visitors each day has.
        weeks: For how long.
        seed: The same seed gives the same events.

    Yields:
        The events in order of time.
    """
    shop = Shop.create(seed=seed)
    waiting: list[Event] = []
    for week in range(weeks):
        for day in range(week * 7, week * 7 + 7):
            waiting += simulate(
                seed=seed * 1000 + day,
                visitors=visitors_a_day,
                start_unix_micros=START_UNIX_MICROS + day * DAY_MICROS,
                days=_STAY_DAYS,
                shop=shop,
            )
        waiting.sort(key=lambda event: event.event_time_unix_micros)
        end = bisect_left(
            waiting, START_UNIX_MICROS + (week + 1) * WEEK_MICROS, key=lambda event: event.event_time_unix_micros
        )
        yield from waiting[:end]
        del waiting[:end]


@dataclass(frozen=True, kw_only=True, slots=True, eq=False)
class Rows:
    """What a server that is asked for a score after every second event would have served, in order of time."""

    values: NDArray[np.float32]
    """``[N, F]``."""
    times_unix_micros: NDArray[np.int64]
    """By the server's clock."""
    user_ids: list[str]
    session_ids: list[str]
    purchases: set[str]
    """The sessions that had a purchase."""


def replay(received: Iterable[tuple[int, Event]], visitors: Replay) -> Iterator[Rows]:
    """Fold events, each with the time at which the server gets it, and compute the features after every second one.

    Args:
        received: Time by the server's clock, and event.
        visitors: Their states; changed.
    """
    for batch in batched(received, _CHUNK):
        jobs = [(visitors.fold(event), event.event_time_unix_micros, event.session_id) for _, event in batch]
        states, moments, session_ids = (list(column) for column in zip(*jobs[::_SCORE_EVERY], strict=True))
        scored = batch[::_SCORE_EVERY]
        yield Rows(
            values=feature_rows(states, moments, session_ids, FEATURES),
            times_unix_micros=np.array([time for time, _ in scored], np.int64),
            user_ids=[event.user_id for _, event in scored],
            session_ids=session_ids,
            purchases={event.session_id for _, event in batch if event.type == EventType.PURCHASE},
        )


def fold_all(received: Iterable[tuple[int, Event]], visitors: Replay) -> None:
    """Fold events that nobody asks for scores after."""
    for _, event in received:
        visitors.fold(event)


def batched(received: Iterable[tuple[int, Event]], size: int) -> Iterator[list[tuple[int, Event]]]:
    """Split into lists of so many."""
    iterator = iter(received)
    while batch := list(islice(iterator, size)):
        yield batch


def new_visitors() -> Replay:
    """Return the states of no visitors yet."""
    return Replay(OWN.aggregates)
