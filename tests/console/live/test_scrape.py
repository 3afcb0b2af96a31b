"""What was counted between two readings, whatever became of the server meanwhile."""

from __future__ import annotations

from math import inf, isnan

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_console.live.distribution import Distribution
from presage_console.live.scrape import Increase
from support.console_metrics import counter, gauge, histogram, scrape_of

OK, LATE = 'grpc_code="OK",grpc_method="Score"', 'grpc_code="DEADLINE_EXCEEDED",grpc_method="Score"'
RANKED = 'grpc_code="OK",grpc_method="Rank"'
HANDLED = "grpc_server_handled"


def increase(before: str, after: str, seconds: float = 2.0) -> Increase:
    return Increase(scrape_of(before, at_seconds=100.0), scrape_of(after, at_seconds=100.0 + seconds))


def test_counters_grow_by_label_and_in_all():
    grown = increase(counter(HANDLED, {OK: 10, LATE: 1}), counter(HANDLED, {OK: 25, LATE: 3, RANKED: 4}))
    assert grown.by("grpc_server_handled_total", "grpc_method") == {"Score": 17.0, "Rank": 4.0}
    assert grown.by("grpc_server_handled_total", "grpc_code", grpc_method="Score") == {
        "OK": 15.0,
        "DEADLINE_EXCEEDED": 2.0,
    }
    assert grown.total("grpc_server_handled_total") == 21.0
    assert grown.seconds == 2.0


def test_a_counter_that_is_lower_than_before_has_begun_again():
    assert increase(counter(HANDLED, {OK: 100}), counter(HANDLED, {OK: 7})).total("grpc_server_handled_total") == 7.0


def test_a_server_that_was_started_again_has_counted_all_that_it_has_since():
    def of(started: float, calls: float) -> str:
        return gauge("process_start_time_seconds", {"": started}) + counter(HANDLED, {OK: calls})

    grown = increase(of(5.0, 10), of(99.0, 12))
    assert grown.is_restart
    assert grown.total("grpc_server_handled_total") == 12.0


def test_a_worker_that_was_started_again_is_no_new_server():
    """The supervisor keeps what the worker had counted."""

    def of(worker_started: float, calls: float) -> str:
        started = gauge("process_start_time_seconds", {'worker="0"': 5.0, 'worker="1"': worker_started})
        return started + gauge("presage_worker_restarts_created", {"": 4.0}) + counter(HANDLED, {OK: calls})

    grown = increase(of(5.0, 10), of(99.0, 12))
    assert not grown.is_restart
    assert grown.total("grpc_server_handled_total") == 2.0


@given(first=st.integers(0, 1000), later=st.integers(0, 1000))
def test_nothing_that_is_counted_ever_falls(first, later):
    grown = increase(counter(HANDLED, {OK: first}), counter(HANDLED, {OK: later}))
    assert grown.total("grpc_server_handled_total") == (later - first if later >= first else later)


def test_a_sum_of_amounts_may_fall():
    labels = 'model="value",version="1",arm="none"'
    grown = increase(
        counter("presage_version_score_sum", {labels: 5.0}), counter("presage_version_score_sum", {labels: 3.0})
    )
    assert grown.by_labels("presage_version_score_sum_total", "model", may_fall=True) == {("value",): -2.0}


def test_histograms_are_told_apart_by_their_labels():
    name, score, rank = "grpc_server_handling_seconds", 'grpc_method="Score"', 'grpc_method="Rank"'
    grown = increase(
        histogram(name, {score: {"0.001": 5, "+Inf": 6}}),
        histogram(name, {score: {"0.001": 8, "+Inf": 10}, rank: {"0.001": 0, "+Inf": 2}}),
    )
    found = grown.distributions(name, "grpc_method")
    assert found == {
        ("Score",): Distribution((0.001, inf), (3.0, 1.0)),
        ("Rank",): Distribution((0.001, inf), (0.0, 2.0)),
    }


def test_gauges_of_workers_are_found_with_their_labels():
    made = scrape_of(gauge("presage_store_trouble", {'kind="full",worker="0"': 0, 'kind="full",worker="1"': 1}))
    assert [labels["worker"] for labels, value in made.series("presage_store_trouble", kind="full") if value] == ["1"]
    assert made.value("presage_store_trouble") == 1.0


@pytest.mark.parametrize("text", ["", gauge("presage_items", {"": float("nan")})])
def test_what_is_not_there_or_no_number_is_missing_and_not_zero(text):
    made = scrape_of(text)
    assert isnan(made.value("presage_items"))
    assert isnan(made.started_seconds)
