"""What is kept of the readings, while a server is away, started again, or not looked at."""

from __future__ import annotations

import pytest

from presage_console.live.readings import KEPT_SECONDS, Readings
from support.console_metrics import counter, gauge, histogram, scrape_of

STARTED = 1_000.0


def metrics(calls: float, *, started: float = STARTED, rejected: float = 0) -> str:
    """A server that has answered some calls, each of which scored a visitor without history."""
    return (
        gauge("process_start_time_seconds", {"": started})
        + counter(
            "grpc_server_handled",
            {
                'grpc_code="OK",grpc_method="Score"': calls,
                'grpc_code="RESOURCE_EXHAUSTED",grpc_method="Score"': rejected,
            },
        )
        + counter("presage_scores", {'history="none"': calls})
        + counter("presage_version_scores", {'model="m",version="1",arm="none"': calls})
        + counter("presage_version_score_sum", {'model="m",version="1",arm="none"': calls / 4})
        + histogram("grpc_server_handling_seconds", {'grpc_method="Score"': {"0.001": calls / 2, "+Inf": calls}})
    )


def readings_of(*calls_at: tuple[float, float]) -> Readings:
    """Read a server that had answered so many calls at some seconds after its start."""
    readings = Readings()
    for seconds, calls in calls_at:
        readings.take(scrape_of(metrics(calls), at_seconds=STARTED + seconds))
    return readings


def test_what_was_counted_between_readings_is_added_up():
    last = readings_of((10, 100), (12, 110), (14, 140)).last(60.0)
    assert (last.seconds, last.calls, last.codes) == (4.0, {"Score": 40.0}, {"OK": 40.0, "RESOURCE_EXHAUSTED": 0.0})
    assert last.histories == {"none": 40.0}
    assert last.latencies["Score"].counts == (20.0, 20.0)
    assert last.versions["m", "1", "none"].scores == 40.0
    assert last.versions["m", "1", "none"].score_sum == 10.0


def test_only_the_last_seconds_count():
    assert readings_of((10, 100), (12, 110), (14, 140)).last(2.0).calls == {"Score": 30.0}


def test_the_first_reading_tells_what_was_counted_since_the_start():
    readings = readings_of((10, 100))
    assert readings.is_since_start(60.0)
    assert (readings.last(60.0).seconds, readings.last(60.0).calls) == (10.0, {"Score": 100.0})


def test_one_that_does_not_say_when_it_was_started_has_no_rates_at_first():
    readings = Readings()
    readings.take(scrape_of(counter("grpc_server_handled", {'grpc_code="OK",grpc_method="Score"': 5})))
    assert readings.last(60.0).seconds == 0.0


def test_while_the_server_is_away_there_is_a_gap_and_what_it_was_before():
    readings = readings_of((10, 100), (12, 110))
    readings.miss(int((STARTED + 14) * 1e6), "away")
    readings.miss(int((STARTED + 16) * 1e6), "away")
    assert readings.problem == "away"
    assert [point.seconds for point in readings.points] == [0.0, 2.0, 0.0, 0.0]
    assert readings.last(60.0).calls == {"Score": 10.0}


def test_what_was_counted_while_nobody_could_read_it_is_not_shown_as_if_it_were_now():
    readings = readings_of((10, 100), (12, 110))
    readings.miss(int((STARTED + 14) * 1e6), "away")
    readings.take(scrape_of(metrics(9_000), at_seconds=STARTED + 16))
    readings.take(scrape_of(metrics(9_010), at_seconds=STARTED + 18))
    assert readings.problem == ""
    assert (readings.last(60.0).seconds, readings.last(60.0).calls) == (4.0, {"Score": 20.0})
    assert [point.calls.get("Score") for point in readings.points] == [None, 10.0, None, None, 10.0]


@pytest.mark.parametrize("seconds", [-5.0, 0.0])
def test_a_server_whose_clock_is_ahead_has_no_rates_at_first(seconds):
    """Started after the reading, it would have answered a negative number of calls a second."""
    last = readings_of((seconds, 100)).last(60.0)
    assert (last.seconds, last.calls) == (0.0, {})


def test_a_server_that_was_started_again_between_two_readings_counts_from_zero():
    readings = readings_of((10, 100))
    readings.take(scrape_of(metrics(120, started=STARTED + 11), at_seconds=STARTED + 12))
    assert readings.last(60.0).calls == {"Score": 120.0}


def test_readings_that_are_far_apart_are_not_joined():
    """Nobody had the page open."""
    readings = readings_of((10, 100), (12, 110), (100, 9_000))
    assert readings.is_since_start(60.0)
    assert [point.seconds for point in readings.points] == [0.0, 2.0, 0.0]


def test_a_clock_that_is_set_back_begins_anew():
    readings = readings_of((10, 100), (12, 110), (5, 120), (7, 130))
    assert [point.seconds for point in readings.points] == [0.0, 2.0]
    assert readings.last(60.0).calls == {"Score": 10.0}


def test_old_readings_are_forgotten():
    readings = readings_of(*((second, second) for second in range(0, 1_000, 2)))
    points = readings.points
    assert points[-1].unix_micros - points[0].unix_micros <= KEPT_SECONDS * 1e6
    assert len(points) == pytest.approx(KEPT_SECONDS / 2, abs=2)
