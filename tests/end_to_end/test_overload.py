"""The shipped client at a server that rejects calls because of an overload: it sends them again, and nothing counts twice."""

from __future__ import annotations

import grpc
import pytest

from presage_client import AsyncClient, ClientOptions, Event, EventType, OverloadedError, UnavailableError
from presage_server.pipeline.overload import OverloadPolicy
from support.running_server import serving
from support.stores import local_store

pytestmark = pytest.mark.usefixtures("each_transport")  # the client must not be able to tell which it is

OPTIONS = ClientOptions(timeout_ms=20_000)
VISITS = [Event(type=EventType.PAGE_VIEW, user_id="u", event_id=f"{number:040}") for number in range(64)]


@pytest.fixture
def rejected(monkeypatch) -> list[bool]:
    """What the overload policy says of the next large calls: True rejects one; afterwards it accepts them."""
    plan: list[bool] = []

    def can_answer(*_arguments: object) -> bool:
        return not (plan and plan.pop(0))

    monkeypatch.setattr(OverloadPolicy, "can_answer", can_answer)
    return plan


async def test_a_call_that_is_rejected_twice_is_answered_and_counts_once(served, store, rejected):
    async with AsyncClient(served.address, options=OPTIONS) as client:
        rejected[:] = [True, True]
        outcomes = await client.track_many(VISITS)
        assert [(outcome.duplicate, outcome.error) for outcome in outcomes] == [(False, None)] * len(VISITS)
        rejected[:] = [True, True]
        visitors = [f"{number:040}" for number in range(100)]
        assert len(await client.score_batch(visitors)) == len(visitors)
        assert rejected == []
    assert len(store.stream("u")) == len(VISITS)


async def test_a_call_that_is_rejected_three_times_is_an_overload_and_does_nothing(served, store, rejected):
    async with AsyncClient(served.address, options=OPTIONS) as client:
        rejected[:] = [True, True, True]
        with pytest.raises(OverloadedError) as caught:
            await client.track_many(VISITS)
    assert (caught.value.code, rejected) == (grpc.StatusCode.RESOURCE_EXHAUSTED, [])
    assert store.everything() == {}


async def test_a_full_store_is_no_overload(short_directory, models):
    with local_store(short_directory / "full.sock") as store:
        async with serving(redis_url=store.url, models=models) as served:
            store.redis.config_set("maxmemory", "1")
            async with AsyncClient(served.address, options=OPTIONS) as client:
                with pytest.raises(UnavailableError, match="out of memory") as caught:
                    await client.track(VISITS[0])
                assert caught.value.code is grpc.StatusCode.FAILED_PRECONDITION
                (outcome,) = await client.track_many(VISITS[:1])
                assert isinstance(outcome.error, UnavailableError)
                assert (await client.score("u")).cold_start
