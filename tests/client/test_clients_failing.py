"""Deadlines, retries, errors and closing: each test runs with both clients."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import grpc
import pytest

from presage.v1 import scoring_service_pb2
from presage_client import (
    ClientOptions,
    DeadlineExceededError,
    Event,
    EventType,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PresageError,
    RequestCancelledError,
    UnavailableError,
)
from support.scripted_servicer import Abort, Hold, ScriptedServicer, nobody_at, serving

RETRIED = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.RESOURCE_EXHAUSTED, grpc.StatusCode.CANCELLED)


async def test_the_deadline_is_set_and_can_be_set_per_call(client_class, target, servicer):
    client = client_class(target, options=ClientOptions(timeout_ms=30_000))
    await client.score("u-1")
    await client.score("u-1", timeout_ms=60_000)
    await client.close()
    by_default, per_call = (call.time_remaining_s for call in servicer.received)
    # The server's view can exceed the caller's by some milliseconds.
    assert 0 < by_default < 31
    assert 31 < per_call < 61


async def test_a_slow_server_hits_the_deadline(client, servicer):
    await client.wait_until_ready()
    slow = Hold()
    servicer.script.append(slow)

    with pytest.raises(
        DeadlineExceededError, match=r"^Score at 127\.0\.0\.1:\d+, timeout 300 ms, request id [0-9a-f]{16}: "
    ) as caught:
        await client.score("u-1", timeout_ms=300)

    assert caught.value.code is grpc.StatusCode.DEADLINE_EXCEEDED
    assert slow.ended.wait(10)


@pytest.mark.parametrize("method", ["track", "track_many", "score", "score_batch", "score_vectors", "features"])
async def test_an_unavailable_server_is_tried_three_times(client, servicer, method):
    event = Event(type=EventType.PAGE_VIEW, user_id="u-1")
    argument = {"track": event, "track_many": [event], "score_batch": ["u-1"], "score_vectors": [[1.0]]}
    servicer.script.extend([Abort(grpc.StatusCode.UNAVAILABLE, "away")] * 2)
    await getattr(client, method)(argument.get(method, "u-1"))
    assert len(servicer.received) == 3
    assert len({call.request.SerializeToString() for call in servicer.received}) == 1

    servicer.received.clear()
    servicer.script.extend([Abort(grpc.StatusCode.UNAVAILABLE, "away")] * 3)
    with pytest.raises(UnavailableError, match="away"):
        await getattr(client, method)(argument.get(method, "u-1"))
    assert len(servicer.received) == 3


@pytest.mark.parametrize("method", ["track", "track_many", "score", "score_batch"])
async def test_a_call_that_an_overloaded_server_rejects_is_tried_three_times(client, servicer, method):
    event = Event(type=EventType.PAGE_VIEW, user_id="u-1")
    argument = {"track": event, "track_many": [event], "score_batch": ["u-1"]}.get(method, "u-1")
    servicer.script.extend([Abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")] * 2)
    await getattr(client, method)(argument)
    assert len(servicer.received) == 3

    servicer.script.extend([Abort(grpc.StatusCode.RESOURCE_EXHAUSTED, "busy")] * 3)
    with pytest.raises(OverloadedError, match="busy"):
        await getattr(client, method)(argument)
    assert len(servicer.received) == 6


async def test_a_store_that_is_full_is_no_overload(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.FAILED_PRECONDITION, "the store is out of memory"))
    with pytest.raises(UnavailableError, match="out of memory"):
        await client.track(Event(type=EventType.PAGE_VIEW, user_id="u-1"))
    assert len(servicer.received) == 1


async def test_a_call_that_a_stopping_server_cancels_is_sent_again(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.CANCELLED))
    await client.score("u-1")
    assert len(servicer.received) == 2


async def test_one_attempt_means_no_retry(client_class, target, servicer, options):
    client = client_class(target, options=replace(options, max_attempts=1))
    servicer.script.append(Abort(grpc.StatusCode.UNAVAILABLE))
    with pytest.raises(UnavailableError):
        await client.score("u-1")
    await client.close()
    assert len(servicer.received) == 1


@pytest.mark.parametrize("code", [code for code in grpc.StatusCode if code not in (grpc.StatusCode.OK, *RETRIED)])
async def test_no_other_failure_is_retried_and_none_leaks_from_grpc(client, servicer, code):
    servicer.script.append(Abort(code, "model: è così"))
    with pytest.raises(PresageError) as caught:
        await client.score("u-1")
    assert (caught.value.code, caught.value.message) == (code, "model: è così")
    assert isinstance(caught.value.__cause__, grpc.RpcError)
    assert len(servicer.received) == 1


async def test_nobody_listening_is_unavailable(client_class, options):
    with nobody_at() as target:
        client = client_class(target, options=options)
        with pytest.raises(UnavailableError, match=target):
            await client.score("u-1")
        with pytest.raises(DeadlineExceededError, match=r"no connection within 0\.05 s"):
            await client.wait_until_ready(0.05)
        await client.close()


async def test_a_client_finds_a_server_that_comes_later(client_class, options):
    with nobody_at() as target:
        client = client_class(target, options=options)
        with pytest.raises(UnavailableError):
            await client.score("u-1")
        waiting = asyncio.create_task(client.wait_until_ready(30))
    with serving(ScriptedServicer(), address=target):
        await waiting
        assert (await client.score("u-1")).model == "plain"
        await client.close()


async def test_messages_over_a_limit_are_the_callers_fault(client_class, servicer, options):
    with serving(servicer, max_receive_bytes=1_000) as target:
        client = client_class(target, options=replace(options, max_send_bytes=5_000, max_receive_bytes=500))
        for user_id in ["u" * 2_000, "u" * 8_000]:
            with pytest.raises(InvalidRequestError, match="larger than max") as caught:
                await client.score(user_id)
            assert (caught.value.code, caught.value.field) == (grpc.StatusCode.RESOURCE_EXHAUSTED, None)
        with pytest.raises(InvalidRequestError, match="larger than max"):
            await client.score_batch(["u"] * 100)
        await client.close()


@pytest.mark.parametrize(
    ("asked", "answer", "message"),
    [
        (("score", "u"), scoring_service_pb2.ScoreResponse(), "expected 1 prediction, got 0"),
        (("score_batch", ["u", "v"]), scoring_service_pb2.ScoreBatchResponse(), "expected 2 predictions, got 0"),
        (
            ("track_many", [Event(type=EventType.LOGIN, user_id="u")]),
            scoring_service_pb2.TrackEventsResponse(),
            "expected 1 results, got 0",
        ),
        (
            ("features", "u"),
            scoring_service_pb2.GetFeaturesResponse(features={"values": [1.0, 2.0], "names": ["a"]}),
            "expected 2 feature names, got 1",
        ),
    ],
    ids=lambda value: value[0] if isinstance(value, tuple) else "",
)
async def test_an_answer_that_breaks_the_contract_is_an_internal_error(client, servicer, asked, answer, message):
    method, argument = asked
    servicer.script.append(answer)
    with pytest.raises(InternalError, match=message):
        await getattr(client, method)(argument)


async def test_closing_ends_the_calls_under_way(client, servicer):
    held = Hold()
    servicer.script.append(held)
    call = asyncio.create_task(client.score("u-1"))
    await asyncio.to_thread(held.reached.wait, 10)
    await client.close()
    with pytest.raises(RequestCancelledError):
        await call
    assert held.ended.wait(10)


async def test_a_closed_client_says_so(client, servicer):
    await client.score("u-1")
    await client.close()
    await client.close()
    for method in ["score", "features"]:
        with pytest.raises(RequestCancelledError, match="the client is closed; make a new one"):
            await getattr(client, method)("u-1")
    with pytest.raises(RequestCancelledError, match="closed"):
        await client.wait_until_ready(1)
    assert len(servicer.received) == 1


async def test_a_wrong_type_names_the_field(client, servicer):
    with pytest.raises(TypeError, match=r"^user_id: got 5, which ScoreRequest cannot hold"):
        await client.score(5)
    assert servicer.received == []


async def test_a_missing_model_is_not_found(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.NOT_FOUND, "model: expected one of conversion, got nope"))
    with pytest.raises(NotFoundError, match="expected one of conversion"):
        await client.score("u-1", model="nope")
