"""A log sent by many clients at once, to several servers and partly more than once; and what they answered."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import AsyncExitStack
from dataclasses import dataclass
from random import Random

import msgspec
import numpy as np

from presage_client import AsyncClient, ClientOptions, Prediction
from presage_featurizer import CONVERSION, Event, FeatureSet, encode_state, featurize
from presage_featurizer.state import MAX_RECENT_EVENTS
from presage_server.store.snapshot import REVISION_BYTES
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate
from presage_training.traffic.sending import client_event
from support.event_log import read_event_log
from support.stores import LocalStore

START_UNIX_MICROS = 1_714_521_600_000_000
"""Wednesday 2024-05-01 00:00 UTC."""

_PATIENT = ClientOptions(timeout_ms=30_000)
_AT_ONCE_SHARE = 0.1
_LATER_SHARE = 0.05


@dataclass(frozen=True, slots=True)
class Answer:
    """What a server said to an event, one of the times that it was sent."""

    event: Event
    duplicate: bool
    prediction: Prediction

    @property
    def vector(self) -> np.ndarray:
        """The features that were served, float32."""
        assert self.prediction.features is not None
        return np.array(list(self.prediction.features.values()), dtype=np.float32)


def simulated_sessions(count: int, *, seed: int) -> list[list[Event]]:
    """Simulate so many sessions, about two for each visitor, in the order in which they begin; half of the visitors name theirs."""
    events = simulate(seed=seed, visitors=count // 2, start_unix_micros=START_UNIX_MICROS, days=14)
    sessions: dict[str, list[Event]] = {}
    for event in events:
        sessions.setdefault(event.session_id, []).append(event)
    chosen = list(sessions.values())[:count]
    assert len(chosen) == count, f"expected {count} sessions, got {len(chosen)}: simulate more visitors"
    unnamed = {user_id for place, user_id in enumerate(dict.fromkeys(event.user_id for event in events)) if place % 2}
    return [
        [msgspec.structs.replace(event, session_id="") for event in session]
        if session[0].user_id in unnamed
        else session
        for session in chosen
    ]


async def send_crowded(
    sessions: Sequence[Sequence[Event]], addresses: Sequence[str], *, clients: int, seed: int
) -> list[Answer]:
    """Send every event at least once, with a score and its features.

    Sessions are dealt out to clients in turn, and clients to servers. Each client sends its sessions one event after another. Some
    events are sent at the same moment by the next client too, so to another server; some again two sessions later; the last of
    every session once more when all is over, if its visitor has no more events than are remembered.

    Returns:
        All answers, in no particular order.
    """
    answers: list[Answer] = []
    async with AsyncExitStack() as stack:
        crowd = [
            await stack.enter_async_context(AsyncClient(addresses[place % len(addresses)], options=_PATIENT))
            for place in range(clients)
        ]

        async def send(place: int, event: Event) -> None:
            client = crowd[place % clients]
            result = await client.track(client_event(event), score=True, include_features=True)
            assert result.prediction is not None
            answers.append(Answer(event, result.duplicate, result.prediction))

        async def send_all(place: int, mine: Iterable[Sequence[Event]]) -> None:
            random = Random(f"{seed}-{place}")
            later: list[list[Event]] = [[], []]
            for session in mine:
                later.append([])
                for event in session:
                    copies = 2 if random.random() < _AT_ONCE_SHARE else 1
                    await asyncio.gather(*(send(place + copy, event) for copy in range(copies)))
                    if random.random() < _LATER_SHARE:
                        later[-1].append(event)
                for event in later.pop(0):
                    await send(place + 1, event)

        async with asyncio.TaskGroup() as group:
            for place in range(clients):
                group.create_task(send_all(place, sessions[place::clients]))
        counts = Counter(event.user_id for session in sessions for event in session)
        last = [[session[-1]] for session in sessions if counts[session[0].user_id] <= MAX_RECENT_EVENTS]
        async with asyncio.TaskGroup() as group:
            for place in range(clients):
                group.create_task(send_all(place + 1, last[place::clients]))
    return answers


def check_replay(
    store: LocalStore,
    sessions: Sequence[Sequence[Event]],
    answers: Sequence[Answer],
    feature_set: FeatureSet = CONVERSION,
) -> None:
    """Check that the store's event log, replayed, gives every answer's vector and every stored state back, bit for bit.

    Also that no event was lost, changed or counted twice. All events must have been sent to servers that fold what the set needs.
    """
    sent = {event.event_id: event for session in sessions for event in session}
    replay = Replay(feature_set.aggregates)
    after: dict[str, list] = {}
    place_in_log = {}
    for logged in read_event_log(store.redis):
        event = logged.event
        assert event == sent[event.event_id], "an event changed on its way"
        assert event.event_id not in place_in_log, "an event was counted twice"
        before = replay.states.get(event.user_id)
        assert logged.fresh == (before is None), "only a visitor's first event finds no history"
        states = after.setdefault(event.user_id, [])
        place_in_log[event.event_id] = len(states)
        states.append(replay.fold(event, fresh=logged.fresh))
    assert place_in_log.keys() == sent.keys(), "an event was lost"

    times_counted = Counter(answer.event.event_id for answer in answers if not answer.duplicate)
    assert times_counted == dict.fromkeys(sent, 1)
    different = []
    for answer in answers:
        event = answer.event
        states = after[event.user_id]
        first = place_in_log[event.event_id]
        # A duplicate is answered with what stands by then: the state right after the event, or a later one.
        possible = states[first:] if answer.duplicate else states[first : first + 1]
        served = answer.vector.tobytes()
        if not any(
            featurize(state, event.event_time_unix_micros, feature_set, session_id=event.session_id).tobytes() == served
            for state in possible
        ):
            different.append(answer)
    assert different == []
    stored = {user_id: (store.blob(user_id) or b"")[REVISION_BYTES:] for user_id in replay.states}
    assert stored == {user_id: encode_state(state) for user_id, state in replay.states.items()}
