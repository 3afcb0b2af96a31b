"""Playing a log to a server at the pace of a show, and watching a few of its visitors."""

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

__all__ = ["Played", "Scene", "Watched", "choose_watched", "play"]

_ACTORS = 4
_TIMEOUT_MS = 2_000
_SHOW_EVERY_SECONDS = 0.2
_FEWEST_EVENTS = 8


@dataclass(frozen=True, slots=True)
class Scene:
    """What is played."""

    events: Sequence[Event]
    """The log, in the order of time."""
    watched: Sequence[str]
    """The visitors to watch."""


@dataclass(kw_only=True, slots=True)
class Watched:
    """One visitor's session so far."""

    session: int
    """Which session of the visitor it is, counted from 1."""
    session_id: str
    """The session's id."""
    last_event: str = ""
    """What the visitor did last."""
    bought: bool = False
    """Whether the session has had its purchase."""
    scores: list[float] = field(default_factory=list)
    """The score after each event of the session."""


@dataclass(kw_only=True, slots=True)
class Played:
    """What has happened so far."""

    events: int = 0
    scores: int = 0
    cold_starts: int = 0
    purchases: int = 0
    seconds: float = 0.0
    track_micros: list[float] = field(default_factory=list)
    """How long each TrackEvent without a score took."""
    score_micros: list[float] = field(default_factory=list)
    """How long each Score took."""
    visitors: set[str] = field(default_factory=set)
    """Everybody who has come."""
    watched: dict[str, Watched] = field(default_factory=dict)
    """The watched visitors that have come."""


def choose_watched(events: Sequence[Event], count: int) -> list[str]:
    """Choose visitors that are worth watching: active ones, half of them buyers."""
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


async def play(scene: Scene, target: str, *, seconds: float, show: Callable[[Played], None]) -> Played:
    """Play a log to a server, spread over a time; each visitor's events stay in order.

    A visitor is scored before the first event of all, which is where cold starts come from. Watched visitors are scored after each
    of their events, others before every few.

    Args:
        scene: What to play.
        target: The server, host:port.
        seconds: How long it is to take; longer if the server is slower than that.
        show: Called now and then with what has happened so far; only while no call is in flight, so that
            it is not measured.

    Raises:
        TrainingError: A call failed.
    """
    played = Played()
    lanes: list[list[tuple[float, Event]]] = [[] for _ in range(_ACTORS)]
    for position, event in enumerate(scene.events):
        lanes[lane_of(event.user_id, _ACTORS)].append((seconds * position / len(scene.events), event))
    started = perf_counter()
    busy: set[str] = set()
    next_show = 0.0
    async with AsyncClient(target, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:

        async def act(lane: Iterator[tuple[float, Event]]) -> None:
            nonlocal next_show
            for due, event in lane:
                ahead = due - (perf_counter() - started)
                if ahead > 0:
                    await asyncio.sleep(ahead)
                busy.add(event.event_id)
                await _act_one(event, client, scene, played)
                busy.discard(event.event_id)
                played.seconds = perf_counter() - started
                if not busy and played.seconds >= next_show:
                    next_show = played.seconds + _SHOW_EVERY_SECONDS
                    show(played)

        try:
            await asyncio.gather(*(act(iter(lane)) for lane in lanes))
        except PresageError as error:
            raise TrainingError(f"a call failed: {error}") from error
    return played


async def _act_one(event: Event, client: AsyncClient, scene: Scene, played: Played) -> None:
    seen = _enter(event, played) if event.user_id in scene.watched else None
    begins = event.user_id not in played.visitors
    played.visitors.add(event.user_id)
    if begins or (seen is None and played.events % 4 == 0):
        started = perf_counter()
        prediction = await client.score(
            event.user_id, session_id=event.session_id, as_of_unix_micros=event.event_time_unix_micros
        )
        played.score_micros.append((perf_counter() - started) * 1e6)
        _count(prediction, played)
    started = perf_counter()
    result = await client.track(client_event(event), score=seen is not None)
    if seen is None:
        played.track_micros.append((perf_counter() - started) * 1e6)
    played.events += 1
    played.purchases += event.type == EventType.PURCHASE
    if seen is not None and result.prediction is not None:
        _count(result.prediction, played)
        seen.scores.append(result.prediction.score)
        seen.last_event = event.type.name.lower().replace("_", " ")
        seen.bought = seen.bought or event.type == EventType.PURCHASE


def _enter(event: Event, played: Played) -> Watched:
    """Find the watched visitor's session, a new one if the event begins one."""
    seen = played.watched.get(event.user_id)
    if seen is None or seen.session_id != event.session_id:
        seen = Watched(session=1 if seen is None else seen.session + 1, session_id=event.session_id)
        played.watched[event.user_id] = seen
    return seen


def _count(prediction: Prediction, played: Played) -> None:
    played.scores += 1
    played.cold_starts += prediction.cold_start
