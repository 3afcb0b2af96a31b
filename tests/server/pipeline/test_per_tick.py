"""What is asked for in one tick is done together; what comes while it is done, in the next."""

from __future__ import annotations

import asyncio

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import scoring_service_pb2 as pb
from presage_server.models.loading import load_models
from presage_server.pipeline.per_tick import PerTick
from presage_server.settings import shipped_models
from support.running_server import track

MODEL = load_models(shipped_models())[""]


async def test_the_items_of_a_tick_are_handed_over_together_and_in_order():
    batches = []
    done = asyncio.Event()

    async def work(items):
        batches.append(items)
        if sum(map(len, batches)) == 5:
            done.set()

    ticks = PerTick(work)

    async def ask(*items):
        for item in items:
            ticks.add(item)

    await asyncio.gather(ask(1, 2), ask(3))
    await asyncio.sleep(0)
    await ask(4, 5)
    await asyncio.wait_for(done.wait(), 20)

    assert batches == [[1, 2, 3], [4, 5]]
    await asyncio.sleep(0)
    assert ticks._tasks == set()


@given(st.lists(st.lists(st.floats(-1e6, 1e6, width=32), min_size=20, max_size=20), min_size=1, max_size=70))
def test_a_score_does_not_depend_on_who_shares_the_run(rows):
    """ONNX Runtime goes other ways for one row, for a few and for many; they have to come to the same bits."""
    together = np.array(rows, dtype=np.float32)

    assert MODEL.predict(together) == [MODEL.predict(together[place : place + 1])[0] for place in range(len(rows))]


async def test_scores_asked_for_at_once_are_those_asked_for_one_by_one(served):
    users = [f"u{number}" for number in range(40)]
    for number, user in enumerate(users):
        for event in range(number % 5):
            await served.stub.TrackEvent(track(user, f"{user}-{event}"))
    now = 2_000_000_000_000_000
    requests = [
        pb.ScoreRequest(user_id=user, as_of_unix_micros=now, include_features=True, model=model)
        for user in users
        for model in ("", "second")
    ]
    at_once = await asyncio.gather(*(served.stub.Score(request) for request in requests))

    assert at_once == [await served.stub.Score(request) for request in requests]
