"""The page Live: what it says of a server that is busy, in trouble, away, or not one of ours."""

from __future__ import annotations

from math import isnan

from presage_console.live.readings import Readings
from presage_console.live.view import LiveView, live_view
from support.console_metrics import counter, gauge, histogram, scrape_of

STARTED = 1_000.0
EDGES = ("0.0008", "0.001", "0.0015", "+Inf")


def metrics(calls: float, *, more: str = "") -> str:
    below = dict(zip(EDGES, (calls * 0.5, calls * 0.9, calls, calls), strict=True))
    return (
        gauge("process_start_time_seconds", {"": STARTED})
        + gauge("presage_build_info", {'version="1.0",model="m",model_version="7"': 1})
        + counter(
            "grpc_server_handled",
            {
                'grpc_code="OK",grpc_method="Score"': calls,
                'grpc_code="RESOURCE_EXHAUSTED",grpc_method="Score"': calls / 10,
                'grpc_code="UNAVAILABLE",grpc_method="TrackEvent"': calls / 20,
            },
        )
        + counter(
            "presage_scores",
            {'history="known"': calls / 2, 'history="none"': calls / 4, 'history="unreadable"': calls / 4},
        )
        + histogram("grpc_server_handling_seconds", {'grpc_method="Score"': below})
        + histogram(
            "presage_served_score", {'model="m",model_version="7"': {"0.1": calls / 4, "0.5": calls, "+Inf": calls}}
        )
        + more
    )


def view_of(*texts: str, method: str = "") -> LiveView:
    readings = Readings()
    for number, text in enumerate(texts):
        readings.take(scrape_of(text, at_seconds=STARTED + 10 + 2 * number))
    return live_view(readings, int((STARTED + 20) * 1e6), method)


def stats_of(view: LiveView) -> dict[str, tuple[str, str]]:
    return {stat.name: (stat.value, stat.tone) for stat in view.stats}


def test_figures_are_those_of_the_time_between_readings():
    view = view_of(metrics(100), metrics(300))
    stats = stats_of(view)
    assert stats["Calls"] == ("115 /s", "")
    assert stats["Rejected"] == ("10 /s", "bad")
    assert stats["Failed"] == ("5 /s", "bad")
    assert stats["Degraded"] == ("25 /s", "warn")
    assert stats["Cold starts"] == ("25.0 %", "")
    assert stats["Score within 1 ms"] == ("90.00 %", "")
    assert (view.state, view.tone) == ("The server answers, and so does its store.", "good")


def test_the_line_of_a_millisecond_stands_between_the_calls_within_and_beyond_it():
    histogram_of_score = next(c for c in view_of(metrics(100), metrics(300)).charts if "time in the server" in c.title)
    (marker,) = histogram_of_score.markers
    within = histogram_of_score.series[0].values[: int(marker.at)]
    assert sum(within) == 0.9
    assert list(histogram_of_score.x) == ["≤ 0.8", "≤ 1", "≤ 1.5"]


def test_scores_are_shown_by_version():
    (scores,) = (c for c in view_of(metrics(100), metrics(300)).charts if c.title.startswith("Scores of"))
    assert scores.title == "Scores of m 7, last minute"
    assert list(zip(scores.x, scores.series[0].values, strict=True)) == [("< 0.1", 0.25), ("< 0.5", 0.75)]


def test_a_method_that_is_not_called_is_not_shown():
    assert view_of(metrics(100), metrics(300), method="<script>").method == "Score"


def test_the_store_s_trouble_is_said_with_its_workers():
    trouble = gauge("presage_store_trouble", {'kind="full",worker="0"': 0, 'kind="full",worker="1"': 1})
    view = view_of(metrics(100, more=trouble))
    assert view.tone == "bad"
    assert "out of memory" in view.state
    assert [(one.kind, one.workers) for one in view.troubles] == [("full", ["1"])]


def test_workers_are_listed_with_what_each_serves():
    info = {f'version="1.0",model="m",model_version="{number}",worker="{number}"': 1 for number in (10, 2)}
    memory = gauge("process_resident_memory_bytes", {'worker="2"': 5e6, 'worker="10"': 7e6})
    text = gauge("presage_build_info", info) + memory + gauge("presage_workers", {"": 2})
    view = view_of(text + counter("presage_worker_restarts", {"": 3}))
    assert [(row.name, row.serves, row.memory_bytes) for row in view.workers] == [
        ("2", ["m 2"], 5e6),
        ("10", ["m 10"], 7e6),
    ]
    assert stats_of(view)["Workers"] == ("2", "warn")


def test_a_server_without_workers_that_serve_is_in_trouble():
    view = view_of(gauge("presage_build_info", {'model="m"': 1}) + gauge("presage_workers", {"": 0}))
    assert (view.state, view.tone) == ("No worker serves.", "bad")


def test_a_server_that_is_away_keeps_its_last_figures_and_says_since_when():
    readings = Readings()
    for number, calls in enumerate((100, 300)):
        readings.take(scrape_of(metrics(calls), at_seconds=STARTED + 10 + 2 * number))
    before = live_view(readings, 0)
    readings.miss(int((STARTED + 14) * 1e6), "the metrics cannot be read: connection refused")
    view = live_view(readings, 0)
    assert view.tone == "bad"
    assert "connection refused. What follows is from 1970-01-01 00:16:52 UTC" in view.state
    assert view.stats == before.stats


def test_a_server_that_was_never_read_has_nothing_but_the_reason():
    readings = Readings()
    readings.miss(0, "the metrics cannot be read: connection refused")
    view = live_view(readings, 0)
    assert (view.state, view.charts, view.read_unix_micros) == ("the metrics cannot be read: connection refused", (), 0)


def test_metrics_of_something_else_are_not_taken_for_a_server_s():
    view = view_of(counter("http_requests", {'code="200"': 5}))
    assert view.tone == "bad"
    assert "presage_build_info" in view.state
    assert isnan(view.workers[0].memory_bytes) if view.workers else True
