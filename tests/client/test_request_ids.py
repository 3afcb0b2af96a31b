"""Request ids and traces in metadata, and when a server says that a call may be repeated: with both clients."""

from __future__ import annotations

import re

import grpc
import pytest
from google.protobuf.any_pb2 import Any
from google.rpc import status_pb2

from presage_client import OverloadedError, UnavailableError, request_context
from presage_client._retry_info import retry_after_ms
from support.scripted_servicer import Abort, retry_info


async def test_each_call_has_an_id_of_its_own(client, servicer):
    await client.score("u-1")
    await client.score("u-1")
    ids = [call.metadata["x-request-id"] for call in servicer.received]
    assert len(set(ids)) == 2
    assert all(re.fullmatch("[0-9a-f]{16}", request_id) for request_id in ids)


async def test_calls_of_one_request_share_its_id_and_its_trace(client, servicer):
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    with request_context(request_id="web-17", traceparent=trace) as request_id:
        await client.score("u-1")
        with request_context() as inner:
            await client.features("u-1")
        await client.score_batch(["u-1"])
    assert request_id == "web-17"
    assert [call.metadata["x-request-id"] for call in servicer.received] == ["web-17", inner, "web-17"]
    assert [call.metadata.get("traceparent") for call in servicer.received] == [trace, None, trace]


async def test_an_attempt_that_is_repeated_keeps_its_id_and_the_error_has_it(client, servicer):
    servicer.script.extend([Abort(grpc.StatusCode.UNAVAILABLE, "away")] * 3)
    with pytest.raises(UnavailableError, match="request id") as caught:
        await client.score("u-1")
    assert {call.metadata["x-request-id"] for call in servicer.received} == {caught.value.request_id}


@pytest.mark.parametrize("field", ["request_id", "traceparent"])
@pytest.mark.parametrize("value", ["two words", "a\nb", "ü", "x" * 129])
def test_what_cannot_be_sent_is_rejected_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}: expected"), request_context(**{field: value}):
        pass
    with pytest.raises(TypeError, match=f"^{field}: expected a string"), request_context(**{field: 5}):
        pass


async def test_a_call_is_repeated_when_the_server_says(client, servicer):
    busy = Abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls", (("grpc-retry-pushback-ms", "150"), retry_info(150))
    )
    servicer.script.append(busy)
    await client.score("u-1", timeout_ms=20_000)
    first, second = servicer.received
    assert second.at - first.at > 0.149  # its own wait is at most 50 ms


async def test_a_call_is_not_repeated_when_the_server_says_so_and_the_error_says_when(client, servicer):
    never = Abort(
        grpc.StatusCode.RESOURCE_EXHAUSTED, "too many calls", (("grpc-retry-pushback-ms", "-1"), retry_info(61_500))
    )
    servicer.script.append(never)
    with pytest.raises(OverloadedError) as caught:
        await client.score("u-1")
    assert caught.value.retry_after_ms == 61_500
    assert len(servicer.received) == 1


def test_other_details_say_nothing_of_when():
    nothing = status_pb2.Status(details=[Any(type_url="type.googleapis.com/google.rpc.BadRequest", value=b"\x0a\x00")])
    assert retry_after_ms(None) is None
    assert retry_after_ms([("grpc-status-details-bin", nothing.SerializeToString())]) is None
    assert retry_after_ms([("grpc-status-details-bin", b"\xff\xff")]) is None
    assert retry_after_ms([("a", "b"), retry_info(1)]) == 1
