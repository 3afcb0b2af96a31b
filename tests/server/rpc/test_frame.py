"""The frame around every call, where gRPC itself fails: that depends on the moment, so gRPC's side is played here."""

from __future__ import annotations

import asyncio
import logging
from typing import Any

import grpc
import pytest
from google.protobuf.message import DecodeError

from presage_server.call import Call
from presage_server.errors import StoreUnavailableError
from presage_server.pipeline.in_flight import InFlight
from presage_server.rpc.frame import rpc
from presage_server.telemetry.metrics import Metrics


class Servicer:
    """A servicer whose only method waits for the end of its time, or fails as the request says."""

    def __init__(self) -> None:
        self.metrics = Metrics()
        self.in_flight = InFlight(1)
        self.timeout_seconds = 0.01

    @rpc
    async def method(self, request: Exception | None, call: Call) -> None:
        """Fail."""
        assert call.seconds == self.timeout_seconds
        if request is None:
            await asyncio.sleep(60)
        else:
            raise request

    def handled(self, code: str) -> float | None:
        """Tell how many calls ended with this status."""
        labels = {"grpc_method": "method", "grpc_code": code}
        return self.metrics.registry.get_sample_value("grpc_server_handled_total", labels)


class Context:
    """gRPC's side of a call: it remembers the status that it is to send, and raises what it is told to."""

    def __init__(self, raises: Exception) -> None:
        self.sent: list[tuple[grpc.StatusCode, str]] = []
        self._raises = raises

    def time_remaining(self) -> None:
        """Tell that the caller waits for ever."""

    async def abort(self, code: grpc.StatusCode, details: str, trailing_metadata: Any) -> None:
        """Fail to send the status, or succeed: both by raising."""
        assert trailing_metadata == ()
        self.sent.append((code, details))
        raise self._raises


FAILURES = {
    "UNAVAILABLE": StoreUnavailableError("the store does not answer; try again"),
    "DEADLINE_EXCEEDED": None,
    "INTERNAL": ValueError("secret"),
    "INVALID_ARGUMENT": DecodeError("no request"),
}


@pytest.mark.parametrize("code", FAILURES)
async def test_a_call_that_fails_ends_as_grpc_wants_it(code):
    servicer, aborted = Servicer(), grpc.aio.AbortError("Locally aborted.")
    context = Context(aborted)
    with pytest.raises(grpc.aio.AbortError) as ended:
        await servicer.method(FAILURES[code], context)
    assert ended.value is aborted
    ((sent, details),) = context.sent
    assert sent.name == code
    assert "secret" not in details
    assert servicer.handled(code) == 1


@pytest.mark.parametrize(
    "gone", [grpc.aio.InternalError("batch failed"), grpc.aio.UsageError("already ended")], ids=type
)
@pytest.mark.parametrize("code", sorted(FAILURES.keys() - {"INTERNAL"}))
async def test_a_caller_who_has_gone_is_no_error_of_ours(code, gone, caplog):
    """gRPC takes a handler that is cancelled for one whose caller has left, and anything else for a defect that it logs."""
    servicer = Servicer()
    with pytest.raises(asyncio.CancelledError):
        await servicer.method(FAILURES[code], Context(gone))
    assert [record for record in caplog.records if record.levelno >= logging.WARNING] == []
    assert servicer.handled(code) == 1


async def test_what_failed_before_the_caller_left_is_logged_once(caplog):
    with pytest.raises(asyncio.CancelledError):
        await Servicer().method(ValueError("secret"), Context(grpc.aio.InternalError("batch failed")))
    assert [record.exc_info[0] for record in caplog.records] == [ValueError]


async def test_however_a_call_ends_it_makes_room_for_the_next():
    servicer = Servicer()
    for error in FAILURES.values():
        with pytest.raises(grpc.aio.AbortError):
            await servicer.method(error, Context(grpc.aio.AbortError()))
    task = asyncio.create_task(servicer.method(None, Context(grpc.aio.AbortError())))
    await asyncio.sleep(0)
    full = Context(grpc.aio.AbortError())
    with pytest.raises(grpc.aio.AbortError):
        await servicer.method(None, full)
    assert full.sent == [
        (grpc.StatusCode.RESOURCE_EXHAUSTED, "1 calls are under way already; try again, later or elsewhere")
    ]
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
    with servicer.in_flight:
        pass
