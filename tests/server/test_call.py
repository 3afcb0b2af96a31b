"""How calls end: once, with a status that fits, counted, and without noise in the log when their callers have gone."""

from __future__ import annotations

import asyncio
import logging
import re
from math import inf

import grpc
import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.call import Call
from presage_server.errors import InvalidRequestError
from presage_server.rpc.status import CODE_NAMES, Status
from presage_server.scoring import scorer
from support.metrics import metrics_text
from support.running_server import GENEROUS_SECONDS, serving, track


class RecordedCall(Call):
    """Remembers what was sent."""

    __slots__ = ("ends", "sent")

    def __init__(self) -> None:
        super().__init__("/test.Plain/Echo", b"", 0.0, inf)
        self.sent: list[bytes | Status] = []
        self.ends: list[int | None] = []
        self.on_end = lambda call: self.ends.append(call.code)

    def send_reply(self, payload: bytes) -> None:
        self.sent.append(payload)

    def send_failure(self, status: Status) -> None:
        self.sent.append(status)


def test_only_the_first_end_of_a_call_takes_effect():
    full = Status(8, "full")
    for first, code in (
        (lambda call: call.reply(b"first"), 0),
        (lambda call: call.fail(full), 8),
        (lambda call: call.end(1), 1),
    ):
        call = RecordedCall()
        assert call.code is None
        first(call)
        sent = [*call.sent]
        call.reply(b"second")
        call.fail(InvalidRequestError("third"))
        assert (call.sent, call.code, call.ends) == (sent, code, [code])
    assert sent == []


def test_an_error_becomes_its_status():
    call = RecordedCall()
    call.fail(InvalidRequestError("expected more", field="user_id"))
    (status,) = call.sent
    assert (status.code, status.message) == (3, "user_id: expected more")


SCORE, TRACK = "Score", "TrackEvent"


async def handled(port: int, method: str, code: str) -> float:
    """Return how many calls of a method have ended with a status."""
    series = rf'^grpc_server_handled_total{{grpc_code="{code}",grpc_method="{method}"}} (\S+)$'
    return sum(map(float, re.findall(series, await metrics_text(port), flags=re.MULTILINE)))


async def until_handled(port: int, method: str, code: str, count: int) -> None:
    async with asyncio.timeout(GENEROUS_SECONDS):
        while await handled(port, method, code) != count:  # noqa: ASYNC110 - of another thread
            await asyncio.sleep(0.01)


def problems(caplog) -> list[str]:
    return [record.getMessage() for record in warnings_of(caplog)]


def warnings_of(caplog) -> list[logging.LogRecord]:
    """All but that of the tests' store, which keeps nothing on the disk."""
    records = [record for record in caplog.records if record.levelno >= logging.WARNING]
    return [record for record in records if record.name != "presage_server.store.durability"]


@pytest.mark.usefixtures("each_transport")
async def test_every_end_is_counted_by_its_status(store, models, unused_tcp_port, monkeypatch):
    async with serving(
        redis_url=store.url, models=models, metrics_port=unused_tcp_port, store_timeout_ms=60_000, timeout_ms=4_000
    ) as served:
        stub = served.stub

        async def ends_with(call) -> str:
            return (await call.code()).name

        assert await ends_with(stub.Score(pb.ScoreRequest(user_id="u"))) == "OK"
        assert await ends_with(stub.Score(pb.ScoreRequest())) == "INVALID_ARGUMENT"
        assert await ends_with(stub.Score(pb.ScoreRequest(user_id="u", model="none"))) == "NOT_FOUND"
        with store.frozen():
            cancelled = stub.TrackEvent(track("v", "2"))
            late = stub.TrackEvent(track("u", "1"))  # a caller's own deadline may be seen as its cancellation
            for _ in range(5):  # behind them: they have been taken by then
                assert await ends_with(stub.TrackEvent(track(""))) == "INVALID_ARGUMENT"
            cancelled.cancel()
            assert await ends_with(late) == "DEADLINE_EXCEEDED"
        monkeypatch.setattr(scorer, "feature_rows", lambda *_, **__: 1 / 0)
        assert await ends_with(stub.Score(pb.ScoreRequest(user_id="u"))) == "INTERNAL"
        for method, code in (
            (SCORE, "OK"),
            (SCORE, "INVALID_ARGUMENT"),
            (SCORE, "NOT_FOUND"),
            (SCORE, "INTERNAL"),
            (TRACK, "DEADLINE_EXCEEDED"),
            (TRACK, "CANCELLED"),
        ):
            await until_handled(unused_tcp_port, method, code, 1)


@pytest.mark.usefixtures("each_transport")
async def test_callers_who_have_gone_are_no_error(store, models, caplog):
    """Their calls fail for every reason, or end well, while nobody waits any more."""
    async with serving(redis_url=store.url, models=models, store_timeout_ms=60_000) as served:
        stub = served.stub
        with store.frozen():
            calls = [stub.TrackEvent(track(f"u{number}")) for number in range(20)]
            calls += [stub.Score(pb.ScoreRequest(user_id=f"u{number}")) for number in range(20)]
            calls += [stub.GetFeatures(pb.GetFeaturesRequest(user_id=f"u{number}")) for number in range(20)]
            # Once a later one is rejected, most of them have been taken.
            assert await stub.GetFeatures(pb.GetFeaturesRequest()).code() is grpc.StatusCode.INVALID_ARGUMENT
            late = [stub.TrackEvent(track(f"u{number}"), timeout=0.3) for number in range(20)]
            for call in calls:
                call.cancel()
            assert {await call.code() for call in late} == {grpc.StatusCode.DEADLINE_EXCEEDED}
        for number in range(20):
            assert (await stub.Score(pb.ScoreRequest(user_id=f"u{number}"))).prediction.score
    assert problems(caplog) == []


@pytest.mark.usefixtures("each_transport")
async def test_an_unexpected_failure_is_logged_once_even_though_its_batch_was_tried_again(
    store, models, monkeypatch, caplog
):
    def fail(*_args: object, **_kwargs: object) -> None:
        raise ValueError("secret")

    async with serving(redis_url=store.url, models=models, store_timeout_ms=60_000) as served:
        monkeypatch.setattr(scorer, "feature_rows", fail)
        assert await served.stub.Score(pb.ScoreRequest(user_id="u")).code() is grpc.StatusCode.INTERNAL
    assert [record.exc_info[0] for record in warnings_of(caplog)] == [ValueError]


@pytest.mark.parametrize(
    ("deadline", "now", "code"),
    [
        (1.0, 0.5, "CANCELLED"),
        (1.0, 0.98, "CANCELLED"),
        (1.0, 0.986, "DEADLINE_EXCEEDED"),
        (1.0, 1.0, "DEADLINE_EXCEEDED"),
        (10.0, 9.88, "CANCELLED"),
        (10.0, 9.9, "DEADLINE_EXCEEDED"),
        (0.01, 0.002, "CANCELLED"),
        (inf, 1e9, "CANCELLED"),
    ],
)
def test_a_caller_who_leaves_at_its_deadline_has_not_cancelled(deadline, now, code):
    """gRPC rounds a deadline up to two or three digits on its way, so the caller's own clock is ahead of it."""
    call = RecordedCall()
    call.deadline = deadline
    call.end_by_caller(now)
    assert CODE_NAMES[call.code] == code
    assert call.sent == []
