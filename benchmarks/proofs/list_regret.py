"""How far lists are from the best that simulated visitors could be shown: ``python -m benchmarks.proofs.list_regret``.

The same visitors, whose tastes are known, shop in the same shop three times: with lists drawn at random, with what is popular, and
with those of a ranking model. With ``--target`` the model is that of a running server, which gets all items and events.

Ends with 1 if the model's regret is not below that of what is popular, or the difference may be chance.
"""

from __future__ import annotations

import argparse
import datetime as dt
import sys
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from presage_export.bundle.ranking import load_ranking_bundle
from presage_featurizer import MICROS
from presage_training.ranking.model_lists import ModelLists
from presage_training.ranking.regret import LIST_METRICS, measure_lists
from presage_training.report.metrics import MetricDraws
from presage_training.report.page import format_metric
from presage_training.simulator import ListSource, PopularLists, RandomLists, Shop, simulate_lists
from presage_training.simulator.list_visits import ShownList
from presage_training.traffic.live_lists import LiveLists
from presage_training.traffic.ranking_tour import load_catalogue

__all__ = ["main"]

_MODEL, _POPULAR, _RANDOM = "the model", "popular, 7 days", "at random"
_START = int(dt.datetime(2026, 3, 2, tzinfo=dt.UTC).timestamp()) * MICROS
_DAYS = 14


def main(arguments: list[str] | None = None) -> int:
    """Simulate, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.proofs.list_regret")
    parser.add_argument("--bundle", type=Path, default=Path("models/ranking/1"), help="the ranking model")
    parser.add_argument("--target", help="HOST:PORT of a server that is asked instead")
    parser.add_argument("--shop", type=int, default=7, help="the seed of the shop that the model was trained on")
    parser.add_argument("--seed", type=int, default=11, help="of the visitors")
    parser.add_argument("--visitors", type=int, default=500)
    parser.add_argument("--draws", type=int, default=500, help="draws that each interval rests on")
    given = parser.parse_args(arguments)
    console = Console(emoji=False, markup=False)
    shop = Shop.create(seed=given.shop)
    lists: dict[str, list[ShownList]] = {}

    def show(name: str, source: ListSource) -> None:
        started = perf_counter()
        visited = simulate_lists(
            source, shop=shop, seed=given.seed, visitors=given.visitors, start_unix_micros=_START, days=_DAYS
        )
        lists[name] = visited.lists
        console.print(f"{name}: {len(visited.lists):,} lists, {perf_counter() - started:.0f} s")

    show(_RANDOM, RandomLists(shop, seed=given.seed))
    show(_POPULAR, PopularLists(shop))
    with ExitStack() as stack:
        if given.target:
            load_catalogue(given.target, shop, first_seen_unix_micros=_START)
            show(_MODEL, stack.enter_context(LiveLists(given.target)))
        else:
            show(_MODEL, ModelLists(load_ranking_bundle(given.bundle), shop))
    measured = measure_lists(lists, seed=given.seed, draws=given.draws)
    console.print(_table(measured))
    low = measured[_POPULAR].difference(measured[_MODEL], "regret").low
    if low is None or low <= 0.0:
        console.print(f"not reached: the lead over {_POPULAR} may be chance", soft_wrap=True)
        return 1
    return 0


def _table(measured: dict[str, MetricDraws]) -> Table:
    table = Table("lists by", *LIST_METRICS, "less regret than at random", box=SIMPLE_HEAD)
    for name, of_ranker in measured.items():
        metrics = of_ranker.metrics()
        gain = "" if name == _RANDOM else format_metric(measured[_RANDOM].difference(of_ranker, "regret"))
        table.add_row(name, *(format_metric(metrics[metric]) for metric in LIST_METRICS), gain)
    return table


if __name__ == "__main__":
    sys.exit(main())
