"""Rows of visitors who come again and again, and their baseline."""

from __future__ import annotations

import numpy as np

from presage_export.drift import HOUR_MICROS, Baseline, Column, Hour, Kind, Layout, ServedRows, build_baseline
from presage_export.drift.building import count_hours

COLUMNS = (Column(default=0.0), Column(default=7.0), Column(kind=Kind.SAME_HOURS), Column(kind=Kind.NEVER))
NAMES = ("price", "waiting", "hour", "month")
MONDAY = 2_820  # weeks since 1970, so that hours begin on a Monday
START_HOUR = MONDAY * 168 + 96
MIN_VISITORS = 100


def visits(
    *, days: int, first_day: int = 0, visitors_a_day: int = 400, rows_each: int = 20, seed: int = 0
) -> ServedRows:
    """Twenty rows of each visitor within an hour, four fifths of them alike: price, waiting (often 7), hour of day, month."""
    random = np.random.default_rng(seed)
    count = days * visitors_a_day
    day = np.repeat(np.arange(days), visitors_a_day)
    hour = random.integers(8, 20, count)
    own_price = np.exp(random.normal(3.0, 1.0, count))
    own_price[random.random(count) < 0.2] = 0.0
    price = np.repeat(own_price, rows_each)
    other = random.random(len(price)) < 0.2
    price[other] = np.exp(random.normal(3.0, 1.0, other.sum()))
    waiting = np.where(random.random(len(price)) < 0.5, 7.0, random.integers(0, 100, len(price)))
    hours = np.repeat(START_HOUR + (first_day + day) * 24 + hour, rows_each)
    values = np.column_stack([price, waiting, np.repeat(hour, rows_each), np.full(len(price), 1 + first_day // 28)])
    order = np.argsort(hours, kind="stable")
    return ServedRows(
        values=values.astype(np.float32)[order],
        times_unix_micros=hours[order] * HOUR_MICROS,
        visitors=np.repeat(np.arange(count) + seed * 1_000_000, rows_each)[order],
    )


def a_baseline(**options) -> Baseline:
    """The baseline of two weeks of such visits."""
    return build_baseline(visits(days=14, **options), COLUMNS, time_zone="UTC", seed=0, min_visitors=MIN_VISITORS)


def hours_of(rows: ServedRows, layout: Layout) -> list[Hour]:
    """Count rows as a server does."""
    return count_hours(rows, layout.bins_of_values(rows.values), layout)
