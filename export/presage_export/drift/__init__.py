"""Drift: whether served features and scores still look like those of training.

Training builds a baseline into the bundle, servers count what they serve in its bins, and whoever reads the counts judges them.
All of this is pure: no I/O, no clock. ``hours`` are made into windows, ``judging`` compares windows with a ``baseline``.
"""

from __future__ import annotations

from presage_export.drift.baseline import BASELINE_FILE, SCORE, Baseline, Kind, pack_baseline, unpack_baseline
from presage_export.drift.building import Column, ServedRows, build_baseline, join_baselines
from presage_export.drift.findings import Alarm, Finding, find_alarms
from presage_export.drift.hours import BUCKETS, HOUR_MICROS, MIN_VISITORS, Hour, Window, make_windows
from presage_export.drift.judging import VISITORS, Judge
from presage_export.drift.layout import Layout
from presage_export.drift.measures import SHARES, places_of_shares, smoothed_shares
from presage_export.drift.row_counter import RowCounter

__all__ = [
    "BASELINE_FILE",
    "BUCKETS",
    "HOUR_MICROS",
    "MIN_VISITORS",
    "SCORE",
    "SHARES",
    "VISITORS",
    "Alarm",
    "Baseline",
    "Column",
    "Finding",
    "Hour",
    "Judge",
    "Kind",
    "Layout",
    "RowCounter",
    "ServedRows",
    "Window",
    "build_baseline",
    "find_alarms",
    "join_baselines",
    "make_windows",
    "pack_baseline",
    "places_of_shares",
    "smoothed_shares",
    "unpack_baseline",
]
