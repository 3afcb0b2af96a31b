"""The gate: planted differences are found, overall and in one slice, and equal models pass."""

from __future__ import annotations

import numpy as np
import pytest

from presage_featurizer import CONVERSION
from presage_training.datasets.dataset import Dataset, LogFacts
from presage_training.errors import DatasetError
from presage_training.learning import GateRules, judge

RULES = GateRules()
FACTS = LogFacts(
    events=1, duplicates=0, visitors=1, first_unix_micros=0, last_unix_micros=1, decision_points=1, censored=0
)


def a_window(sessions=2_000, rows_of_each=3, seed=1):
    """Rows whose right margins are known; half of the visitors use the second device."""
    random = np.random.default_rng(seed)
    margins = np.repeat(random.normal(-2.0, 1.0, sessions), rows_of_each)
    bought = np.repeat(random.random(sessions) < 1 / (1 + np.exp(-margins[::rows_of_each])), rows_of_each)
    numbers = np.repeat(np.arange(sessions), rows_of_each)
    rows = len(numbers)
    window = Dataset(
        feature_set=CONVERSION,
        target="purchase-in-session",
        log=FACTS,
        features=np.zeros((rows, 20), np.float32),
        labels=bought,
        times_unix_micros=numbers,
        span_starts_unix_micros=numbers,
        span_ends_unix_micros=numbers,
        visitors=numbers,
        sessions=numbers,
        prefix_lengths=np.ones(rows, np.int32),
        known=numbers % 3 == 0,
        devices=(numbers % 2 + 1).astype(np.int8),
        countries=np.full(rows, "DE"),
    )
    return window, margins


def scores(margins, off=0.0):
    return 1 / (1 + np.exp(-(margins + off)))


def test_an_equal_model_passes():
    window, margins = a_window()
    noise = np.random.default_rng(2).normal(0.0, 0.05, (2, len(margins)))
    report = judge(window, scores(margins, noise[0]), scores(margins, noise[1]), RULES, seed=7)
    assert report.passed, report.reason
    assert {"all", "known", "anonymous"} <= {part.name for part in report.slices}


def test_a_model_that_is_worse_does_not():
    window, margins = a_window()
    report = judge(window, scores(np.full_like(margins, -2.0)), scores(margins), RULES, seed=7)
    assert not report.passed
    assert report.slices[0].difference > 0.05


def test_a_model_that_is_worse_on_one_device_alone_does_not():
    window, margins = a_window(sessions=6_000)
    spoiled = margins.copy()
    spoiled[window.devices == 2] = -2.0
    noise = np.random.default_rng(3).normal(0.0, 1.5, len(margins))
    report = judge(window, scores(spoiled), scores(margins, np.where(window.devices == 2, 0.0, noise)), RULES, seed=7)
    assert report.slices[0].passed
    assert not report.passed
    assert "device" in report.reason


def test_a_short_window_decides_nothing():
    window, margins = a_window(sessions=10)
    report = judge(window, scores(margins), scores(margins), RULES, seed=7)
    assert not report.passed
    assert "10 sessions" in report.reason


def test_a_score_that_is_off_as_a_whole_does_not_pass():
    window, margins = a_window()
    rules = GateRules(tolerance=10.0, slice_tolerance=10.0)
    report = judge(window, scores(margins, 3.0), scores(margins), rules, seed=7)
    assert not report.passed
    assert "mean score" in report.reason


@pytest.mark.parametrize("wrong", [{"tolerance": -1.0}, {"min_sessions": 1}, {"max_miscalibration": float("nan")}])
def test_rules_are_checked(wrong):
    with pytest.raises(DatasetError, match=f"gate.{next(iter(wrong))}"):
        GateRules(**wrong)
