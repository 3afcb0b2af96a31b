"""The page Live of a real server, in words; and what is read for it."""

from __future__ import annotations

import asyncio

import pytest

from presage.v1 import scoring_service_pb2
from presage_console.errors import SourceError
from presage_console.live.feed import LiveFeed
from support.console_metrics import counter, parsed
from support.consoles import console_of, text_of
from support.running_server import an_event, serving


@pytest.fixture
async def busy(store, models, unused_tcp_port):
    """A console of a server that has scored, and of its metrics."""
    async with serving(redis_url=store.url, models=models, metrics_port=unused_tcp_port) as server:
        await server.stub.TrackEvent(scoring_service_pb2.TrackEventRequest(event=an_event("known")))
        for user_id in ("known", "new", "newer"):
            await server.stub.Score(scoring_service_pb2.ScoreRequest(user_id=user_id))
        url = f"http://127.0.0.1:{unused_tcp_port}/metrics"
        async with console_of(server.address, metrics_url=url) as console:
            yield console


async def test_the_page_shows_what_the_server_has_counted(busy):
    answer = await busy.get("/live")
    shown = text_of(answer.text)
    assert "The server answers, and so does its store." in shown
    assert "Cold starts 66.7 %" in shown
    assert "Latencies of Score TrackEvent" in shown
    assert 'hx-sse:connect="/live/events"' in answer.text
    assert "conversion 1, second 2" in shown, "what the one process serves"


async def test_another_method_s_latencies_are_shown_and_pushed(busy):
    answer = await busy.get("/live?method=TrackEvent")
    assert "TrackEvent: time in the server, since the start" in text_of(answer.text)
    assert 'hx-sse:connect="/live/events?method=TrackEvent"' in answer.text
    assert 'hx-sse:connect="/live/events"' in (await busy.get("/live?method=%3Cscript%3E")).text


async def test_a_server_that_is_away_is_said_and_not_an_error(served):
    async with console_of(served.address, metrics_url="http://127.0.0.1:1/metrics") as console:
        answer = await console.get("/live")
    assert answer.status_code == 200
    assert "the metrics at http://127.0.0.1:1/metrics cannot be read" in text_of(answer.text)


async def test_without_metrics_the_page_names_the_option(pages):
    answer = await pages.get("/live")
    assert "--metrics-url" in text_of(answer.text)
    assert "hx-sse:connect" not in answer.text
    assert (await pages.get("/live/events")).status_code == 404


class _Clock:
    now = 1_000_000_000

    def __call__(self) -> int:
        return self.now


async def test_the_metrics_are_read_once_for_all_who_look_at_the_same_time():
    clock, reads = _Clock(), []

    async def read():
        reads.append(clock.now)
        await asyncio.sleep(0)
        return parsed(counter("grpc_server_handled", {'grpc_code="OK",grpc_method="Score"': 5}))

    feed = LiveFeed(read, clock)
    await asyncio.gather(*(feed.refresh() for _ in range(5)))
    clock.now += 500_000
    await feed.refresh()
    assert len(reads) == 1
    clock.now += 1_500_000
    readings = await feed.refresh()
    assert len(reads) == 2
    assert [point.seconds for point in readings.points] == [0.0, 2.0]


async def test_a_source_that_fails_leaves_what_was_read_before():
    clock, texts = _Clock(), [counter("grpc_server_handled", {'grpc_code="OK",grpc_method="Score"': 5}), None]

    async def read():
        text = texts.pop(0)
        if text is None:
            raise SourceError("nobody answers")
        return parsed(text)

    feed = LiveFeed(read, clock)
    await feed.refresh()
    clock.now += 2_000_000
    readings = await feed.refresh()
    assert readings.problem == "nobody answers"
    assert readings.newest is not None
