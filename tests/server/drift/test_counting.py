"""What is served is counted once, in its bins and its hour, for versions that have a baseline."""

from __future__ import annotations

import logging
import re
import threading
from collections.abc import Iterator
from dataclasses import replace
from importlib import resources

import numpy as np
import pytest
from prometheus_client import CollectorRegistry, generate_latest
from redis.asyncio import Redis

from presage_export.drift import HOUR_MICROS
from presage_server.drift.baselines import find_baseline
from presage_server.drift.counting import ServedCounts
from presage_server.drift.gauges import DriftGauges
from presage_server.drift.stored_hours import read_hours, write_hours
from presage_server.models.loading import load_model
from presage_server.scoring.jobs import ScoreJob
from support.bundles import write_small_bundle
from support.drifting_server import scored, some_rows, write_bundle_with_baseline


@pytest.fixture(scope="module")
def directory(tmp_path_factory):
    return write_bundle_with_baseline(tmp_path_factory.mktemp("drift"))


@pytest.fixture(scope="module")
def model(directory):
    return load_model(directory)


class _Clock:
    now = 5 * HOUR_MICROS

    def __call__(self) -> int:
        return self.now


def test_each_row_is_counted_in_its_bins(directory, model):
    rows, layout = some_rows(3, seed=7), find_baseline(directory).baseline.layout
    counts = ServedCounts(_Clock())
    jobs = scored(model, rows)
    for start in range(0, len(jobs), 7):
        counts.note(jobs[start : start + 7])
    ((version, hour),) = counts.hours()
    assert (version.model, version.version, hour.number, hour.rows) == ("conversion", "1", 5, len(rows))
    plain = np.bincount(layout.bins_of_values(rows.values).ravel(), minlength=layout.bins)
    assert hour.counts.tolist() == plain.tolist()


def test_rows_that_share_an_array_and_rows_of_their_own_count_alike(model):
    clock, rows = _Clock(), some_rows(1)
    counts, apart = ServedCounts(clock), ServedCounts(clock)
    jobs = scored(model, rows)
    counts.note(jobs)
    for job in jobs:
        job.rows, job.row = job.rows[job.row : job.row + 1], 0
    apart.note(jobs)
    assert counts.hours()[0][1].counts.tolist() == apart.hours()[0][1].counts.tolist()


def test_of_many_rows_the_first_of_each_twentieth_of_a_second_are_counted(model):
    clock, jobs = _Clock(), scored(model, some_rows(1))[:5]
    counts = ServedCounts(clock, max_rows_a_second=200)
    for _ in range(4):
        counts.note(jobs)
    assert [hour.rows for _, hour in counts.hours()] == [10]
    clock.now += 50_000
    counts.note(jobs)
    assert [hour.rows for _, hour in counts.hours()] == [15]


def test_an_hour_that_has_ended_is_returned_once_and_the_present_one_again(model):
    clock = _Clock()
    counts = ServedCounts(clock)
    jobs = scored(model, some_rows(1))
    counts.note(jobs[:10])
    assert [(hour.number, hour.rows) for _, hour in counts.hours()] == [(5, 10)]
    counts.note(jobs[:5])
    counts.flush()
    clock.now += HOUR_MICROS
    counts.note(jobs[:3])
    assert [(hour.number, hour.rows) for _, hour in counts.hours()] == [(5, 15), (6, 3)]
    assert [(hour.number, hour.rows) for _, hour in counts.hours()] == [(6, 3)]


def test_hours_that_could_not_be_stored_are_returned_again_and_not_without_end(model):
    clock = _Clock()
    counts = ServedCounts(clock)
    jobs = scored(model, some_rows(1))[:1]
    for _ in range(150):
        counts.note(jobs)
        counts.flush()
        clock.now += HOUR_MICROS
        counts.restore(counts.hours())
    numbers = [hour.number for _, hour in counts.hours()]
    assert numbers == list(range(55, 155))


def test_degraded_and_failed_scores_are_not_counted(model):
    counts = ServedCounts(_Clock())
    jobs = scored(model, some_rows(1))[:4]
    jobs[0].degraded = True
    jobs[1].error = RuntimeError("no score")
    jobs[2].rows = None
    counts.note(jobs)
    assert [hour.rows for _, hour in counts.hours()] == [1]


def test_a_bundle_without_a_baseline_is_named_in_the_log_and_not_counted(tmp_path, caplog):
    write_small_bundle(tmp_path)
    plain = load_model(tmp_path / "conversion" / "1")
    counts = ServedCounts(_Clock())
    with caplog.at_level(logging.INFO):
        counts.prepare([plain])
        counts.note(scored(plain, some_rows(2)))
    assert counts.hours() == []
    assert [record.message for record in caplog.records] == [
        "model conversion version 1: drift is not measured: its bundle has no baseline.npz, train the model again"
    ]


def test_a_baseline_that_was_altered_is_an_error_in_the_log_and_the_model_serves(tmp_path, caplog):
    directory = write_bundle_with_baseline(tmp_path)
    model = load_model(directory)
    (directory / "baseline.npz").write_bytes(b"other bytes")
    counts = ServedCounts(_Clock())
    counts.note(scored(model, some_rows(2)))
    assert counts.hours() == []
    assert "drift is not measured" in caplog.text
    assert "was altered" in caplog.text


def test_versions_that_are_not_served_any_more_are_forgotten_once_their_hours_are_stored(model):
    clock = _Clock()
    counts = ServedCounts(clock)
    counts.note(scored(model, some_rows(1)))
    counts.keep_only([])
    assert [hour.rows for _, hour in counts.hours()] == [300]
    clock.now += HOUR_MICROS
    assert [hour.rows for _, hour in counts.hours()] == [300]
    assert counts.hours() == []


@pytest.mark.parametrize("loaded_again", [False, True])
async def test_a_version_that_comes_back_within_the_hour_adds_to_what_it_had(directory, model, store, loaded_again):
    """The champion goes from A to another and back; the hour is stored before, between and after."""
    clock = _Clock()
    counts, jobs = ServedCounts(clock), scored(model, some_rows(1))
    back = load_model(directory) if loaded_again else model
    async with Redis.from_url(store.url) as redis:
        counts.note(jobs[:20])
        await write_hours(redis, counts.hours(), writer="a")
        counts.keep_only([])
        counts.note(jobs[:3])  # in flight
        await write_hours(redis, counts.hours(), writer="a")
        counts.keep_only([back])
        counts.note(scored(back, some_rows(1))[:5])
        await write_hours(redis, counts.hours(), writer="a")
        clock.now += HOUR_MICROS
        await write_hours(redis, counts.hours(), writer="a")
    hours, _ = read_hours(store.redis, find_baseline(directory), first=0, last=9)
    assert [(hour.number, hour.rows) for hour in hours] == [(5, 25)]


def test_a_version_that_is_loaded_twice_is_counted_once(directory, model):
    counts, twin = ServedCounts(_Clock()), load_model(directory)
    counts.note(scored(model, some_rows(1))[:20])
    counts.note(scored(twin, some_rows(1))[:5])
    assert [hour.rows for _, hour in counts.hours()] == [25]


def test_a_clock_that_is_set_back_a_little_returns_to_no_hour_that_was_closed(model):
    clock = _Clock()
    counts, jobs = ServedCounts(clock), scored(model, some_rows(1))
    found: dict[int, int] = {}
    for moved, number in ((0, 20), (HOUR_MICROS, 3), (-HOUR_MICROS, 4), (HOUR_MICROS, 5)):
        clock.now += moved
        counts.note(jobs[:number])
        found.update({hour.number: hour.rows for _, hour in counts.hours()})
    assert found == {5: 20, 6: 12}


def test_calls_in_flight_of_a_version_that_is_forgotten_read_no_file_and_bring_it_back_no_more(model, monkeypatch):
    counts = ServedCounts(_Clock())
    counts.prepare([model])
    counts.keep_only([])
    monkeypatch.delattr("presage_server.drift.counting.read_baseline")
    counts.note(scored(model, some_rows(1)))
    assert counts.hours() == []


def test_no_row_is_lost_while_another_thread_stores_what_was_counted(model):
    """The calls of the native transport have a thread of their own; the loop's stores and exports."""
    counts, jobs = ServedCounts(_Clock()), scored(model, some_rows(1))
    stored = []
    storing = threading.Thread(target=lambda: stored.extend(counts.hours()))

    def arrive() -> Iterator[ScoreJob]:
        yield from jobs[:10]
        storing.start()
        storing.join(0.2)
        yield from jobs[10:]

    counts.note(arrive())
    storing.join()
    assert [hour.rows for _, hour in counts.hours()] == [len(jobs)]
    assert all(hour.rows <= len(jobs) for _, hour in stored)


def test_rows_that_arrive_while_others_are_counted_are_counted_once(model):
    counts, jobs, rounds = ServedCounts(_Clock()), scored(model, some_rows(1)), 20
    arrived = threading.Event()

    def count() -> None:
        while not arrived.is_set():
            counts.flush()

    counting = threading.Thread(target=count)
    counting.start()
    for _ in range(rounds):
        for job in jobs:
            counts.note([job])
    arrived.set()
    counting.join()
    assert [hour.rows for _, hour in counts.hours()] == [rounds * len(jobs)]


def test_metrics_have_the_shares_that_are_served_and_those_of_the_baseline(model):
    registry = CollectorRegistry()
    counts = ServedCounts(_Clock())
    registry.register(counts)
    rows = some_rows(4)
    zeroed = replace(rows, values=np.where(np.arange(rows.values.shape[1]) == 4, np.float32(0), rows.values))
    counts.note(scored(model, zeroed))
    labels = {"model": "conversion", "model_version": "1"}
    served = registry.get_sample_value("presage_served_rows_total", labels)
    of_views = {**labels, "feature": "page_views", "value": "zero"}
    assert served == len(rows)
    assert registry.get_sample_value("presage_served_values_total", of_views) == len(rows)
    assert 0.2 < registry.get_sample_value("presage_baseline_share", of_views) < 0.6


def test_metrics_have_the_scores_between_the_edges_of_the_baseline(directory, model):
    registry, counts, rows = CollectorRegistry(), ServedCounts(_Clock()), some_rows(4)
    registry.register(counts)
    counts.note(scored(model, rows))
    layout = find_baseline(directory).baseline.layout
    edges = layout.edges[layout.starts[-2] + 1 :]
    (family,) = (family for family in registry.collect() if family.name == "presage_served_score")
    scores, of_buckets = rows.values[:, -1], [one for one in family.samples if one.name.endswith("_bucket")]
    assert len(of_buckets) == len(edges) + 1 > 5
    assert [one.value for one in of_buckets[:-1]] == [(scores < edge).sum() for edge in edges]
    assert np.allclose([float(one.labels["le"]) for one in of_buckets[:-1]], edges)
    labels = {"model": "conversion", "model_version": "1"}
    assert registry.get_sample_value("presage_served_score_count", labels) == len(rows)
    assert registry.get_sample_value("presage_served_score_sum", labels) == pytest.approx(scores.sum())


def test_alert_rules_name_metrics_that_exist(model):
    """Whether promtool accepts them is checked where it is installed; a renamed metric would make a rule silent."""
    rules = resources.files("presage_server.drift").joinpath("alert_rules.yml").read_text()
    registry, gauges = CollectorRegistry(), DriftGauges()
    counts = ServedCounts(_Clock())
    counts.prepare([model])
    registry.register(counts)
    exported = (generate_latest(registry) + generate_latest(gauges.registry)).decode()
    named = set(re.findall(r"presage_[a-z_]+", rules))
    assert len(named) == 6
    assert named <= set(re.findall(r"^# TYPE (\w+)", exported, re.MULTILINE))
