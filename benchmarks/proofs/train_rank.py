"""How well a ranking model finds the next items on real logs: ``python -m benchmarks.proofs.train_rank``.

Online Retail: at each order of a known customer in the last five weeks, its items. REES46: after each event of the last third of
the file, the next other item of the session. All items compete, and an answer that is not found counts as 0. Tables of neighbours
are older than what is asked, in fitting as in testing.

Ends with 1 if the model is not as good as a good implementation can be expected to be, or a lead over the strongest baselines may
be chance.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from collections.abc import Sequence
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.train_real import ONLINE_RETAIL, REES46
from presage_featurizer import MICROS, Event
from presage_training.ranking.comparing import MODEL, Measured, RankingComparison, compare_rankers
from presage_training.ranking.metrics import RANKING_METRICS
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.report.page import format_metric

__all__ = ["main"]

_FIT_FROM, _TEST_FROM = dt.datetime(2011, 8, 1, tzinfo=dt.UTC), dt.datetime(2011, 11, 1, tzinfo=dt.UTC)
_FIT_SHARE, _TEST_SHARE = 0.3, 0.65  # by events: nearly all of the file lies within forty minutes
_SHOWN_FEATURES = 12

# What was measured elsewhere by the same protocol, less its interval.
_LEAST_RETAIL = {"ndcg_at_10": 0.294, "precision_at_10": 0.23, "recall_at_10": 0.195}
_LEAST_RETAIL_UNKNOWN = 0.080
_LEAST_REES46 = 0.149


def main(arguments: list[str] | None = None) -> int:
    """Compare the rankers on both logs and print tables."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.train_rank")
    parser.add_argument("--draws", type=int, default=500, help="draws that each interval rests on")
    given = parser.parse_args(arguments)
    console = Console(emoji=False, markup=False)
    missing = [path.name for path in (ONLINE_RETAIL, REES46) if not path.exists()]
    if missing:
        console.print(f"train-rank: skipped, because {' and '.join(missing)} is not at {ONLINE_RETAIL.parent}")
        return 0
    retail = _online_retail(given.draws)
    _show(console, "Online Retail: the items of a known customer's next order", retail)
    rees46 = _rees46(given.draws)
    _show(console, "REES46: the next other item of the session", rees46)
    failures = [*_shortfalls(retail, _LEAST_RETAIL, ("own history", "TIFU-like", "blend 50/30/20", "blend 60/40"))]
    if retail.unknown is not None:
        failures += _below("Items not bought before: ndcg_at_10", retail.unknown, "ndcg_at_10", _LEAST_RETAIL_UNKNOWN)
        failures += _chance(retail.unknown, ("popular",))
    failures += _shortfalls(rees46, {"ndcg_at_10": _LEAST_REES46}, ("blend 50/30/20", "blend 60/40"))
    for failure in failures:
        console.print(f"not reached: {failure}", soft_wrap=True)
    return 1 if failures else 0


def _online_retail(draws: int) -> RankingComparison:
    events = [event for event in _read(ONLINE_RETAIL, LogFormat.ONLINE_RETAIL) if event.items]
    return compare_rankers(
        events,
        "next-order",
        fit_from_unix_micros=int(_FIT_FROM.timestamp()) * MICROS,
        test_from_unix_micros=int(_TEST_FROM.timestamp()) * MICROS,
        bucket_seconds=3_600,
        draws=draws,
    )


def _rees46(draws: int) -> RankingComparison:
    events = _read(REES46, LogFormat.REES46)
    return compare_rankers(
        events,
        "next-item",
        fit_from_unix_micros=events[int(_FIT_SHARE * len(events))].event_time_unix_micros,
        test_from_unix_micros=events[int(_TEST_SHARE * len(events))].event_time_unix_micros,
        draws=draws,
    )


def _read(path: Path, log_format: LogFormat) -> list[Event]:
    return sorted(read_events(path, log_format, skipped=SkippedRows()), key=lambda event: event.event_time_unix_micros)


def _show(console: Console, title: str, compared: RankingComparison) -> None:
    console.print(_table(title, compared.everything))
    if compared.unknown is not None:
        console.print(_table("Only items that the visitor had not taken before", compared.unknown))
    console.print(
        f"{compared.fitted_on:,} queries to fit {compared.trees} trees; {compared.candidates:.0f} candidates each, which have"
        f" {compared.found:.1%} of the items taken",
        soft_wrap=True,
    )
    best = list(compared.importances.items())[:_SHOWN_FEATURES]
    console.print("gain: " + ", ".join(f"{name} {share:.1%}" for name, share in best) + "\n", soft_wrap=True)


def _table(title: str, measured: Measured) -> Table:
    table = Table("ranked by", *RANKING_METRICS, f"{MODEL} ahead by", box=SIMPLE_HEAD, title_justify="left")
    table.title = f"{title}: {measured.queries:,} queries"
    for name, metrics in measured.metrics.items():
        table.add_row(
            name,
            *(
                format_metric(metrics[metric], interval=metric == "ndcg_at_10").replace(" (", "\n(")
                for metric in RANKING_METRICS
            ),
            format_metric(measured.ahead[name]).replace(" (", "\n(") if name in measured.ahead else "",
        )
    return table


def _shortfalls(compared: RankingComparison, least: dict[str, float], others: Sequence[str]) -> list[str]:
    found = [line for metric, value in least.items() for line in _below(metric, compared.everything, metric, value)]
    return found + _chance(compared.everything, others)


def _below(what: str, measured: Measured, metric: str, least: float) -> list[str]:
    value = measured.metrics[MODEL][metric].value or 0.0
    return [] if value >= least else [f"{what}: expected at least {least}, got {value:.4f}"]


def _chance(measured: Measured, others: Sequence[str]) -> list[str]:
    return [
        f"the lead over {name} may be chance: {format_metric(measured.ahead[name])}"
        for name in others
        if (measured.ahead[name].low or 0.0) <= 0.0
    ]


if __name__ == "__main__":
    sys.exit(main())
