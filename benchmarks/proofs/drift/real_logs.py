"""Real logs, four weeks after four weeks: ``python -m benchmarks.proofs.drift.real_logs`` prints which features have an alarm.

Nothing is planted here, but a real shop's months differ: what is printed is to be read, and nothing fails.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.skew_proof import DATA
from presage_export.drift import Alarm, Judge, ServedRows, Window, find_alarms, make_windows
from presage_export.drift.building import count_hours
from presage_featurizer import CONVERSION, MICROS, FeatureSet
from presage_training.experiment.drift_baseline import baseline_of_features
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.replaying.decisions import EveryEvent
from presage_training.replaying.workers import record

__all__ = ["main"]

_HOUR_MICROS = 3600 * MICROS


@dataclass(frozen=True, kw_only=True, slots=True)
class _Log:
    path: Path
    format: LogFormat
    hours: float
    """How long the baseline is, and what is compared with it."""
    min_visitors: int
    time_zone: str = "UTC"


_LOGS = (
    _Log(
        path=DATA / "online_retail.parquet",
        format=LogFormat.ONLINE_RETAIL,
        hours=28 * 24.0,
        min_visitors=100,
        time_zone="Europe/London",
    ),
    _Log(path=DATA / "rees46_2019_10_01.parquet", format=LogFormat.REES46, hours=1.4, min_visitors=300),
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Replay, compare and print."""
    argparse.ArgumentParser(prog="python -m benchmarks.proofs.drift.real_logs").parse_args(arguments)
    console = Console(emoji=False, markup=False, highlight=False)
    for log in _LOGS:
        if not log.path.exists():
            console.print(f"{log.path.name}: skipped, because it is not at {DATA}")
            continue
        _print(console, log)
    return 0


def _print(console: Console, log: _Log) -> None:
    features = replace(CONVERSION, time_zone=log.time_zone)
    events = read_events(log.path, log.format, skipped=SkippedRows())
    found = record(events, decisions=EveryEvent(), feature_set=features).rows
    rows = ServedRows(values=found.features, times_unix_micros=found.time_unix_micros, visitors=found.visitor)
    length = round(log.hours * _HOUR_MICROS)
    first, last = int(rows.times_unix_micros.min()), int(rows.times_unix_micros.max())
    table = Table("compared", "rows", "windows", "visitors each", "alarms, the largest first", box=SIMPLE_HEAD)
    alarmed: Counter[str] = Counter()
    for begin in range(first + length, last - length // 2, length):
        windows, alarms = _compare(rows, features, begin, length, min_visitors=log.min_visitors)
        columns = list(dict.fromkeys(alarm.column for alarm in alarms))
        alarmed.update(columns)
        each = sum(window.visitors for window in windows) / max(1, len(windows))
        table.add_row(
            dt.datetime.fromtimestamp(begin / MICROS, dt.UTC).strftime("%Y-%m-%d %H:%M"),
            f"{sum(window.rows for window in windows):,}",
            str(len(windows)),
            f"{each:.0f}",
            ", ".join(columns) or "none",
        )
    console.print(f"{log.path.name}: {len(rows):,} rows, each part is compared with the {log.hours:g} hours before it")
    console.print(table)
    console.print(", ".join(f"{column} {number}" for column, number in alarmed.most_common()))


def _compare(
    rows: ServedRows, features: FeatureSet, begin: int, length: int, *, min_visitors: int
) -> tuple[list[Window], list[Alarm]]:
    def part(since: int, until: int) -> ServedRows:
        times: NDArray[np.int64] = rows.times_unix_micros
        return rows.take((times >= since) & (times < until))

    baseline = baseline_of_features(part(begin - length, begin), features, min_visitors=min_visitors)
    live = part(begin, begin + length)
    hours = count_hours(live, baseline.layout.bins_of_values(live.values), baseline.layout)
    windows = make_windows(hours, min_visitors=min_visitors)
    judge = Judge(baseline, features.features, time_zone=features.time_zone)
    return windows, find_alarms(judge.judge(windows))


if __name__ == "__main__":
    sys.exit(main())
