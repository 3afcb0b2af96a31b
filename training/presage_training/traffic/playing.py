"""Paced replay of a log to a server, with the scores of a few watched visitors."""

from __future__ import annotations

import asyncio
from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from time import perf_counter

from presage_client import AsyncClient, ClientOptions, Prediction, PresageError
from presage_featurizer import Event, EventType
from presage_training.errors import TrainingError
from presage_training.traffic.lanes import lane_of
from presage_training.traffic.sending import client_event

__all__ = ["CALLS_IN_FLIGHT", "PlaybackStats", "Scenario", "WatchedVisitor", "choose_watched", "play"]

CALLS_IN_FLIGHT = 4
_TIMEOUT_MS = 2_000
_PROGRESS_SECONDS = 0.2
_FEWEST_EVENTS = 8


@dataclass(frozen=True, slots=True)
class Scenario:
    events: Sequence[Event]
    """The log, in the order of time."""
    watched: Sequence[str]
    """The ids of the visitors to watch."""


@dataclass(kw_only=True, slots=True)
class WatchedVisitor:
    """The current session of a watched visitor."""

    session: int
    """The session's number, counted from 1."""
    session_id: str
    last_event: str = ""
    """The type of the visitor's last event."""
    bought: bool = False
    """Whether the session has a purchase."""
    scores: list[float] = field(default_factory=list)
    """The score after each event of the session."""


@dataclass(kw_only=True, slots=True)
class PlaybackStats:
    """Counts and latencies so far."""

    events: int = 0
    scores: int = 0
    cold_starts: int = 0
    purchases: int = 0
    seconds: float = 0.0
    track_micros: list[float] = field(default_factory=list)
    """The latency of each TrackEvent without a score."""
    score_micros: list[float] = field(default_factory=list)
    """The latency of each Score."""
    visitors: set[str] = field(default_factory=set)
    """The ids of all visitors so far."""
    watched: dict[str, WatchedVisitor] = field(default_factory=dict)
    """The watched visitors who have had an event, by id."""


def choose_watched(events: Sequence[Event], count: int) -> list[str]:
    """Choose active visitors, half of them buyers."""
    activity: defaultdict[str, int] = defaultdict(int)
    buyers = set()
    for event in events:
        activity[event.user_id] += 1
        if event.type == EventType.PURCHASE:
            buyers.add(event.user_id)
    active = [user for user, its_events in activity.items() if its_events >= _FEWEST_EVENTS]
    active.sort(key=lambda user: (-activity[user], user))
    bought = [user for user in active if user in buyers][: count // 2]
    others = [user for user in active if user not in buyers][: count - len(bought)]
    return bought + others


async def play(
    scenario: Scenario, target: str, *, seconds: float, on_progress: Callable[[PlaybackStats], None]
) -> PlaybackStats:
    """Send a log to a server, spread over some seconds; each visitor's events stay in order.

    Every visitor is scored before their first event, which is where cold starts come from. Watched visitors are scored after each
    of their events, others before every fourth event or so.

    Args:
        scenario: The log, and the visitors to watch.
        target: The server, host:port.
        seconds: The duration; it takes longer if the server is slower.
        on_progress: Called with the counts so far, a few times per second, while no call is in flight, so as not to
            affect latencies.

    Returns:
        The final counts.

    Raises:
        TrainingError: A call failed.
    """
    stats = PlaybackStats()
    lanes: list[list[tuple[float, Event]]] = [[] for _ in range(CALLS_IN_FLIGHT)]
    for position, event in enumerate(scenario.events):
        lanes[lane_of(event.user_id, CALLS_IN_FLIGHT)].append((seconds * position / len(scenario.events), event))
    started = perf_counter()
    busy: set[str] = set()
    next_progress = 0.0
    async with AsyncClient(target, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:

        async def send_lane(lane: Iterator[tuple[float, Event]]) -> None:
            nonlocal next_progress
            for due, event in lane:
                ahead = due - (perf_counter() - started)
                if ahead > 0:
                    await asyncio.sleep(ahead)
                busy.add(event.event_id)
                await _send(event, client, scenario, stats)
                busy.discard(event.event_id)
                stats.seconds = perf_counter() - started
                if not busy and stats.seconds >= next_progress:
                    next_progress = stats.seconds + _PROGRESS_SECONDS
                    on_progress(stats)

        try:
            await asyncio.gather(*(send_lane(iter(lane)) for lane in lanes))
        except PresageError as error:
            raise TrainingError(f"a call failed: {error}") from error
    return stats


async def _send(event: Event, client: AsyncClient, scenario: Scenario, stats: PlaybackStats) -> None:
    watched = _current_session(event, stats) if event.user_id in scenario.watched else None
    is_new = event.user_id not in stats.visitors
    stats.visitors.add(event.user_id)
    if is_new or (watched is None and stats.events % 4 == 0):
        started = perf_counter()
        prediction = await client.score(
            event.user_id, session_id=event.session_id, as_of_unix_micros=event.event_time_unix_micros
        )
        stats.score_micros.append((perf_counter() - started) * 1e6)
        _count(prediction, stats)
    started = perf_counter()
    result = await client.track(client_event(event), score=watched is not None)
    if watched is None:
        stats.track_micros.append((perf_counter() - started) * 1e6)
    stats.events += 1
    stats.purchases += event.type == EventType.PURCHASE
    if watched is not None and result.prediction is not None:
        _count(result.prediction, stats)
        watched.scores.append(result.prediction.score)
        watched.last_event = event.type.name.lower().replace("_", " ")
        watched.bought = watched.bought or event.type == EventType.PURCHASE


def _current_session(event: Event, stats: PlaybackStats) -> WatchedVisitor:
    """Return the watched visitor's session, a new one if the event starts one."""
    visitor = stats.watched.get(event.user_id)
    if visitor is None or visitor.session_id != event.session_id:
        visitor = WatchedVisitor(session=1 if visitor is None else visitor.session + 1, session_id=event.session_id)
        stats.watched[event.user_id] = visitor
    return visitor


def _count(prediction: Prediction, stats: PlaybackStats) -> None:
    stats.scores += 1
    stats.cold_starts += prediction.cold_start
