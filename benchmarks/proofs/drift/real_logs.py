"""A real log, four weeks after four weeks: ``python -m benchmarks.proofs.drift.real_logs`` prints which features have an alarm.

Nothing is planted here, but a real shop's months differ: what is printed is to be read, and nothing fails. Of the logs beside the
project this is the only one of more than a week.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.skew_proof import DATA
from presage_export.drift import HOUR_MICROS, Alarm, Judge, ServedRows, Window, find_alarms, make_windows
from presage_export.drift.building import count_hours
from presage_featurizer import CONVERSION, MICROS
from presage_training.experiment.drift_baseline import baseline_of_features
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.replaying.decisions import EveryEvent
from presage_training.replaying.workers import record

__all__ = ["main"]

_LOG = DATA / "online_retail.parquet"
_FEATURES = replace(CONVERSION, time_zone="Europe/London")
_LENGTH = 28 * 24 * HOUR_MICROS
_MIN_VISITORS = 100


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, compare and print."""
    argparse.ArgumentParser(prog="python -m benchmarks.proofs.drift.real_logs").parse_args(arguments)
    console = Console(emoji=False, markup=False, highlight=False)
    if not _LOG.exists():
        console.print(f"{_LOG.name}: skipped, because it is not at {_LOG.parent}")
        return 0
    events = read_events(_LOG, LogFormat.ONLINE_RETAIL, skipped=SkippedRows())
    found = record(events, decisions=EveryEvent(), feature_set=_FEATURES).rows
    rows = ServedRows(values=found.features, times_unix_micros=found.time_unix_micros, visitors=found.visitor)
    first, last = int(rows.times_unix_micros.min()), int(rows.times_unix_micros.max())
    table = Table("compared", "rows", "windows", "visitors each", "alarms, the largest first", box=SIMPLE_HEAD)
    alarmed: Counter[str] = Counter()
    for begin in range(first + _LENGTH, last - _LENGTH // 2, _LENGTH):
        windows, alarms = _compare(rows, begin)
        columns = list(dict.fromkeys(alarm.column for alarm in alarms))
        alarmed.update(columns)
        each = sum(window.visitors for window in windows) / max(1, len(windows))
        table.add_row(
            dt.datetime.fromtimestamp(begin / MICROS, dt.UTC).strftime("%Y-%m-%d"),
            f"{sum(window.rows for window in windows):,}",
            str(len(windows)),
            f"{each:.0f}",
            ", ".join(columns) or "none",
        )
    console.print(f"{_LOG.name}: {len(rows):,} rows, each four weeks compared with the four before")
    console.print(table)
    console.print(", ".join(f"{column} {number}" for column, number in alarmed.most_common()))
    return 0


def _compare(rows: ServedRows, begin: int) -> tuple[list[Window], list[Alarm]]:
    def part(since: int, until: int) -> ServedRows:
        times: NDArray[np.int64] = rows.times_unix_micros
        return rows.take((times >= since) & (times < until))

    baseline = baseline_of_features(part(begin - _LENGTH, begin), _FEATURES, min_visitors=_MIN_VISITORS)
    live = part(begin, begin + _LENGTH)
    hours = count_hours(live, baseline.layout.bins_of_values(live.values), baseline.layout)
    windows = make_windows(hours, min_visitors=_MIN_VISITORS)
    judge = Judge(baseline, _FEATURES.features, time_zone=_FEATURES.time_zone)
    return windows, find_alarms(judge.judge(windows))


if __name__ == "__main__":
    sys.exit(main())
