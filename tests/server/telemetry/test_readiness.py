"""Readiness that includes the store, if it is asked to."""

from __future__ import annotations

import asyncio

import grpc
import pytest
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from presage.v1 import scoring_service_pb2 as pb
from presage_server.telemetry import readiness as module
from presage_server.telemetry.readiness import READY, Readiness, probe_store
from support.metrics import readiness
from support.running_server import GENEROUS_SECONDS, serving
from support.stores import LocalStore, local_store

SERVING, NOT_SERVING = health_pb2.HealthCheckResponse.SERVING, health_pb2.HealthCheckResponse.NOT_SERVING


@pytest.fixture
def own_store(short_directory):
    """A store that a test may stop."""
    with local_store(short_directory / "ready.sock") as store:
        yield store


@pytest.fixture(autouse=True)
def _impatient(monkeypatch):
    monkeypatch.setattr(module, "_EVERY_SECONDS", 0.02)


async def status(served, service: str = READY) -> int:
    stub = health_pb2_grpc.HealthStub(served.channel)
    return (await stub.Check(health_pb2.HealthCheckRequest(service=service))).status


async def until_status(served, wanted: int) -> None:
    async with asyncio.timeout(GENEROUS_SECONDS):
        while await status(served) != wanted:  # noqa: ASYNC110 - of another process
            await asyncio.sleep(0.01)


async def test_a_server_without_its_store_is_not_ready_if_it_needs_one(own_store, models, unused_tcp_port):
    settings = {"redis_url": own_store.url, "models": models, "metrics_port": unused_tcp_port}
    async with serving(**settings, ready_needs_store=True) as served:
        assert await status(served) == SERVING
        own_store.stop()
        await until_status(served, NOT_SERVING)
        code, text = await readiness(unused_tcp_port)
        assert (code, text.startswith("not ready: the store does not answer: ")) == (503, True)
        assert await status(served, "") == SERVING, "it is alive"
        response = await served.stub.Score(pb.ScoreRequest(user_id="u"))
        assert response.prediction.degraded
        own_store.start()
        await until_status(served, SERVING)


async def test_a_store_that_hangs_and_one_that_is_a_replica_are_noticed(own_store, models):
    async with serving(redis_url=own_store.url, models=models, ready_needs_store=True, store_timeout_ms=50) as served:
        with own_store.frozen():
            await until_status(served, NOT_SERVING)
        await until_status(served, SERVING)
        own_store.redis.replicaof("127.0.0.1", 1)
        await until_status(served, NOT_SERVING)
        own_store.redis.replicaof("NO", "ONE")
        await until_status(served, SERVING)


async def test_otherwise_it_is_ready_all_the_same(own_store, models):
    async with serving(redis_url=own_store.url, models=models) as served:
        own_store.stop()
        await asyncio.sleep(0.2)
        assert await status(served) == SERVING


async def test_a_store_that_may_not_be_asked_is_taken_for_a_good_one(own_store: LocalStore):
    own_store.redis.acl_setuser("limited", enabled=True, nopass=True, commands=["+get"], keys="*")
    async with Redis.from_url(f"{own_store.url}?username=limited&password=x") as redis:
        assert not await probe_store(redis, 5.0)


async def test_nothing_is_ready_that_health_does_not_know(served):
    with pytest.raises(grpc.aio.AioRpcError, match="NOT_FOUND"):
        await status(served, "presage.other")


async def test_a_probe_that_fails_makes_unready_and_is_tried_again(caplog):
    outcomes = iter(["", RuntimeError("a defect"), RuntimeError("a defect")])

    async def probe() -> str:
        outcome = next(outcomes, "")
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    reasons = []
    watched = Readiness(health.aio.HealthServicer(), probe)
    set_before = watched._set

    async def note(reason: str) -> None:
        reasons.append(reason)
        await set_before(reason)

    watched._set = note
    await watched.begin()
    following = asyncio.create_task(watched.run())
    async with asyncio.timeout(GENEROUS_SECONDS):
        while len(reasons) < 3:  # noqa: ASYNC110 - of another task
            await asyncio.sleep(0.01)
    following.cancel()
    assert reasons[:3] == ["", "the store could not be asked; see the server's log", ""]
    assert "a defect" in caplog.text
