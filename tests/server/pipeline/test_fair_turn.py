"""Long work lets other calls go before. The store here answers at once, so that nobody is helped by having to wait for it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Sequence

import pytest

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import Event, EventType
from presage_server.clock import system_clock
from presage_server.models.loading import load_models
from presage_server.pipeline.fair_turn import FairTurn
from presage_server.pipeline.in_flight import InFlight
from presage_server.rpc.limits import MAX_BATCH_ITEMS
from presage_server.rpc.servicer import ScoringServicer
from presage_server.scoring.scorer import Scorer
from presage_server.store.snapshot import Change, Snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.tracker import Tracker
from support.events import START_UNIX_MICROS
from support.running_server import an_event


class Forgetful:
    """A store that knows nobody and takes everything."""

    async def read(self, user_ids: Sequence[str]) -> list[Snapshot]:
        """Find nothing."""
        return [Snapshot(None, b"")] * len(user_ids)

    async def read_states(self, user_ids: Sequence[str], *, habits: bool) -> list[None]:  # noqa: ARG002 - there are none
        """Find nothing."""
        return [None] * len(user_ids)

    async def commit(self, changes: Sequence[Change]) -> list[None]:
        """Make all changes."""
        return [None] * len(changes)


class Context:
    """A caller who waits for ever."""

    def time_remaining(self) -> None:
        """Tell that there is no deadline."""


@pytest.fixture
def servicer(models):
    store, metrics = Forgetful(), Metrics()
    return ScoringServicer(
        tracker=Tracker(store, store, metrics),
        scorer=Scorer(store, metrics),
        models=load_models(models),
        metrics=metrics,
        clock=system_clock,
        new_id=lambda: "made-up",
        in_flight=InFlight(10),
        timeout_seconds=20.0,
    )


async def turns_during(work: Callable[[], Awaitable[object]]) -> int:
    """Count the turns that others on the loop get while work is done."""
    turns = 0

    async def other() -> None:
        nonlocal turns
        while True:
            await asyncio.sleep(0)
            turns += 1

    counting = asyncio.create_task(other())
    await asyncio.sleep(0)
    await work()
    counting.cancel()
    return turns


@pytest.mark.parametrize(
    ("units", "count", "expected"), [(1, 199, 0), (1, 200, 1), (1, 1_000, 5), (500, 3, 3), (50, 10, 2)]
)
async def test_a_turn_is_two_hundred_units_long(units, count, expected):
    async def work() -> None:
        turn = FairTurn()
        for _ in range(count):
            await turn.take(units)

    assert await turns_during(work) == expected


async def test_a_score_that_comes_while_a_long_batch_is_decoded_is_answered_before_it(servicer):
    items = [event_pb2.Item(item_id=f"item-{number}", price=1.0) for number in range(1_000)]
    count = MAX_BATCH_ITEMS // len(items)
    batch = pb.TrackEventsRequest(events=[an_event(f"u{number}", "e", items=items) for number in range(count)])
    done = []

    async def note(name: str, call: Awaitable[object]) -> object:
        response = await call
        done.append(name)
        return response

    answer, scored = await asyncio.gather(
        note("batch", servicer.TrackEvents(batch, Context())),
        note("score", servicer.Score(pb.ScoreRequest(user_id="another"), Context())),
    )
    assert done == ["score", "batch"]
    assert [result.code for result in answer.results] == [0] * count
    assert scored.prediction.cold_start


async def test_folding_many_events_takes_several_turns():
    store = Forgetful()
    events = [
        Event(f"event-{number}", EventType.PAGE_VIEW, f"u{number % 300}", START_UNIX_MICROS) for number in range(1_000)
    ]
    tracker = Tracker(store, store, Metrics())
    assert await turns_during(lambda: tracker.track(events)) >= 4
