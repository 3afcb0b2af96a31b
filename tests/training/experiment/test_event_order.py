"""A log out of order: refused, sorted, or taken as it is; by ``presage train`` and by ``presage evaluate``."""

from __future__ import annotations

import json
import random
from functools import partial

import numpy as np
import pytest
from msgspec.structs import replace
from training.commands.running import run_here
from training.logs import shop

from presage_featurizer import CONVERSION, MICROS
from presage_training.datasets.targets import parse_target
from presage_training.errors import EventOrderError
from presage_training.experiment import LogFile, PredictionTask, read_dataset
from presage_training.readers import LogFormat, SkippedRows, write_presage_log
from presage_training.replaying.decisions import parse_decisions

OPTIONS = ("--format", "presage", "--models", "logistic-regression", "--draws", 100)
TASK = PredictionTask(
    target=parse_target("purchase-in-session"), decisions=parse_decisions("every-event"), feature_set=CONVERSION
)

# One process trains for all of them.
pytestmark = pytest.mark.xdist_group("event_order")


@pytest.fixture(scope="module")
def logs(tmp_path_factory):
    """The same log three times: ordered, shuffled, and with each visitor's events after those of another."""
    folder = tmp_path_factory.mktemp("logs")
    events = shop(visitors=400)
    orders = {
        "ordered": events,
        "shuffled": random.Random(4).sample(events, len(events)),
        "by_visitor": sorted(events, key=lambda event: event.user_id),
    }
    for name, log in orders.items():
        (folder / name).mkdir()
        # The same file name: a bundle names the file that it was trained on.
        write_presage_log(folder / name / "log.jsonl", log)
    return folder


def log_of(logs, name, **order) -> LogFile:
    return LogFile(path=logs / name / "log.jsonl", source=LogFormat.PRESAGE, **order)


def read(log, task=TASK, workers=1):
    return read_dataset(log, task, skipped=SkippedRows(), workers=workers)


@pytest.fixture
def train(monkeypatch, capsys, logs, tmp_path):
    """Train on one of the logs, into a folder of the test."""

    def trained(name, *options, to="run"):
        return run_here(
            monkeypatch, capsys, "train", logs / name / "log.jsonl", *OPTIONS, "--to", tmp_path / to, *options
        )

    return trained


@pytest.fixture
def evaluate(monkeypatch, capsys):
    return partial(run_here, monkeypatch, capsys, "evaluate")


def test_a_shuffled_log_is_refused_with_what_to_do(train, logs, tmp_path):
    done = train("shuffled")

    assert (done.code, done.out) == (2, "")
    assert done.err.startswith(f"presage train: {logs / 'shuffled' / 'log.jsonl'}: ")
    assert " come after later events of the same visitor, by up to " in done.err
    assert "expected at most 0.1 % of the events and 5 % of the visitors" in done.err
    assert "Give --sort to read the log in the order of time, or --as-recorded" in done.err
    assert done.err.count("\n") == 1
    assert not (tmp_path / "run").exists()


@pytest.mark.slow
def test_sorted_it_trains_the_same_model_as_in_order_byte_for_byte(train, tmp_path):
    for name, options in {"ordered": (), "shuffled": ("--sort",), "by_visitor": ("--sort", "--workers", 2)}.items():
        assert train(name, *options, to=name).code == 0

    def bundle(name):
        folder = tmp_path / name / "models" / "logistic-regression" / "1"
        return {path.name: path.read_bytes() for path in folder.iterdir()}

    assert bundle("ordered") == bundle("shuffled") == bundle("by_visitor")


@pytest.mark.parametrize("workers", [1, 2])
def test_sorted_it_gives_the_same_rows(logs, workers):
    expected = read(log_of(logs, "ordered"))
    got = read(log_of(logs, "shuffled", is_sorted=True), workers=workers)

    assert got.log == expected.log
    for column in ("features", "labels", "times_unix_micros", "visitors", "sessions", "prefix_lengths"):
        assert np.array_equal(getattr(got, column), getattr(expected, column)), column


@pytest.mark.slow
def test_as_recorded_it_trains_and_the_report_says_so(train, logs, tmp_path):
    done = train("shuffled", "--as-recorded")
    results = json.loads((tmp_path / "run" / "results.json").read_text())
    (check,) = (check for check in results["checks"] if check["name"] == "event-order")
    (warning,) = check["warnings"]

    assert done.code == 0
    assert f"leakage? event-order: {warning['message']}" in done.out
    assert warning["message"] in (tmp_path / "run" / "report.html").read_text()
    assert results["data"]["log"]["order"]["late_events"] > 0.5 * results["data"]["log"]["events"]
    # The harm: most of the positive rows are lost.
    assert (
        read(log_of(logs, "shuffled", as_recorded=True)).positive.sum()
        < 0.5 * read(log_of(logs, "ordered")).positive.sum()
    )


@pytest.mark.slow
def test_a_bundle_is_not_measured_on_a_shuffled_log_either(train, evaluate, logs, tmp_path):
    assert train("ordered").code == 0
    bundle = tmp_path / "run" / "models" / "logistic-regression" / "1"
    shuffled = (bundle, logs / "shuffled" / "log.jsonl", "--format", "presage", "--draws", 100)
    refused, in_order, as_recorded = (
        evaluate(*shuffled, *options) for options in ((), ("--sort",), ("--as-recorded",))
    )

    assert (refused.code, refused.out) == (2, "")
    assert "Give --sort to read the log in the order of time, or --as-recorded" in refused.err
    assert (in_order.code, "event-order" in in_order.out) == (0, False)
    assert (as_recorded.code, "leakage? event-order: " in as_recorded.out) == (0, True)


def test_both_orders_at_once_are_refused(train, tmp_path):
    done = train("shuffled", "--sort", "--as-recorded")

    assert (done.code, done.out) == (2, "")
    assert done.err.endswith("expected --sort or --as-recorded, not both; remove one\n")


def test_visitors_may_follow_one_another(logs):
    got, expected = read(log_of(logs, "by_visitor")), read(log_of(logs, "ordered"))

    assert len(got) == len(expected)
    assert got.positive.sum() == expected.positive.sum()


def test_but_not_for_decisions_at_fixed_times(logs):
    task = PredictionTask(
        target=parse_target("purchase-within:2"), decisions=parse_decisions("daily"), feature_set=CONVERSION
    )

    with pytest.raises(EventOrderError, match="Decision points at fixed times need the order over all visitors"):
        read(log_of(logs, "by_visitor"), task)
    in_order = read(log_of(logs, "by_visitor", is_sorted=True), task)
    assert len(in_order) == len(read(log_of(logs, "ordered"), task))


def test_few_late_events_are_a_remark(train, logs, tmp_path):
    events = shop(visitors=400)
    # The first event that has one before it by the same visitor, two seconds late.
    place = next(
        place for place, event in enumerate(events) if any(one.user_id == event.user_id for one in events[:place])
    )
    newest = max(one.event_time_unix_micros for one in events[:place] if one.user_id == events[place].user_id)
    events[place] = replace(events[place], event_time_unix_micros=newest - 2 * MICROS)
    (logs / "nearly").mkdir()
    write_presage_log(logs / "nearly" / "log.jsonl", events)
    done = train("nearly")

    assert done.code == 0
    assert (
        f"1 of {len(events):,} events ({100 / len(events):.2g} %), of 1 of 400 visitors (0.25 %), come after later events of the "
        "same visitor, by up to 2 seconds: few enough to train on."
    ) in done.out
    assert "event-order" not in done.out
