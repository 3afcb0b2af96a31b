"""The simulated shop whose traffic does not change from week to week: visitors come, stay for some weeks, and go."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from presage_featurizer import CONVERSION, MICROS, Event, FeatureSet, State, feature_rows
from presage_featurizer.custom import CustomFeatures
from presage_training.replaying.replay import Replay
from presage_training.simulator import Shop, simulate

__all__ = ["DAY_MICROS", "FEATURES", "START_UNIX_MICROS", "WEEK_MICROS", "Rows", "replay", "shop_events"]

DAY_MICROS = 86_400 * MICROS
WEEK_MICROS = 7 * DAY_MICROS
START_UNIX_MICROS = int(dt.datetime(2026, 1, 5, tzinfo=dt.UTC).timestamp()) * MICROS  # a Monday

_STAY_WEEKS = 4
_CHUNK = 5_000

_OWN = CustomFeatures.parse(
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
    custom=_OWN,
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
        waiting += simulate(
            seed=seed * 1000 + week,
            visitors=visitors_a_day * 7,
            start_unix_micros=START_UNIX_MICROS + week * WEEK_MICROS,
            days=_STAY_WEEKS * 7,
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
    """What a server that scores after each event would have served."""

    values: NDArray[np.float32]
    """``[N, F]``."""
    times_unix_micros: NDArray[np.int64]
    """By the server's clock."""
    user_ids: list[str]


def replay(
    events: Iterable[tuple[int, Event]], states: dict[str, State] | None = None
) -> tuple[Rows, dict[str, State]]:
    """Fold events, each with the time at which the server gets it, and compute the features after each.

    Args:
        events: Time by the server's clock, and event.
        states: The visitors before; unchanged.

    Returns:
        The rows, and the visitors after.
    """
    folding = Replay(_OWN.aggregates)
    folding.states.update(states or {})
    values: list[NDArray[np.float32]] = []
    times: list[int] = []
    user_ids: list[str] = []
    waiting: list[tuple[State, int, str]] = []
    for received, event in events:
        waiting.append((folding.fold(event), event.event_time_unix_micros, event.session_id))
        times.append(received)
        user_ids.append(event.user_id)
        if len(waiting) == _CHUNK:
            values.append(_features(waiting))
            waiting.clear()
    values.append(_features(waiting))
    rows = Rows(values=np.concatenate(values), times_unix_micros=np.array(times, np.int64), user_ids=user_ids)
    return rows, folding.states


def _features(waiting: list[tuple[State, int, str]]) -> NDArray[np.float32]:
    return feature_rows(*map(list, zip(*waiting, strict=True)), FEATURES) if waiting else np.empty((0, len(FEATURES.features)), np.float32)
