"""Whether popular items by country find what new customers buy: ``python -m benchmarks.proofs.popular_by_country``.

Online Retail: right before the first order of each customer, the list that retrieval makes of popular items, with the customer's
country and without, measured on the items of that order. Nothing is trained. Postage and other services, which every order abroad
has, are left out: they would double what countries bring.
"""

from __future__ import annotations

import sys
from collections import defaultdict
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import numpy as np
from msgspec.structs import replace
from rich.console import Console
from rich.table import Table

from benchmarks.proofs.train_real import ONLINE_RETAIL
from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.ranking.assembling import Circumstances, context_of, digest_numbers
from presage_featurizer.ranking.item_features import ItemFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_featurizer.ranking.retrieval import RetrievalLimits, retrieve
from presage_featurizer.ranking.workspace import Workspace
from presage_training.ranking.metrics import DEPTH, RANKING_METRICS, RankingDraws, list_metrics
from presage_training.ranking.tables import TableBuilder
from presage_training.readers import LogFormat, SkippedRows, read_events
from presage_training.report.metrics import MetricDraws
from presage_training.report.page import format_metric

__all__ = ["main"]

_FIRST_DAYS = 30
_HOUR_MICROS = 3_600 * MICROS
_HOME = "GB"
_SHOWN = ("ndcg_at_10", "hit_rate_at_10")
_DRAWS, _SEED = 500, 7


class _Lists(NamedTuple):
    """The metrics of both lists for one new customer."""

    country: str
    everywhere: np.ndarray
    by_country: np.ndarray


def main() -> int:
    """Measure both lists and print a table; ends with 1 if customers abroad are not better off by country."""
    console = Console(emoji=False, markup=False, width=None if sys.stdout.isatty() else 120)
    if not ONLINE_RETAIL.exists():
        console.print(f"popular-by-country: skipped, because {ONLINE_RETAIL.name} is not at {ONLINE_RETAIL.parent}")
        return 0
    found = list(_lists(_events()))
    table = Table(title="Lists of popular items for new customers, items of the first order")
    for heading in ("customers", "number", "metric", "everywhere", "by country", "difference"):
        table.add_column(heading)
    leads = []
    for name, lists in (
        (f"of {_HOME}", [each for each in found if each.country == _HOME]),
        ("abroad", [each for each in found if each.country != _HOME]),
    ):
        plain, by_country = _measure([each.everywhere for each in lists]), _measure([each.by_country for each in lists])
        for metric in _SHOWN:
            difference = by_country.difference(plain, metric)
            leads.append(difference.low or 0.0)
            cells = [plain.metrics()[metric], by_country.metrics()[metric], difference]
            table.add_row(name, f"{len(lists):,}", metric, *map(format_metric, cells))
    console.print(table)
    return 0 if leads[len(_SHOWN)] > 0.0 else 1


def _events() -> list[Event]:
    events = read_events(ONLINE_RETAIL, LogFormat.ONLINE_RETAIL, skipped=SkippedRows())
    of_goods = (
        replace(event, items=tuple(item for item in event.items if item.item_id[:1].isdigit())) for event in events
    )
    return sorted((event for event in of_goods if event.items), key=lambda event: event.event_time_unix_micros)


def _lists(events: Sequence[Event]) -> Iterator[_Lists]:
    orders: dict[tuple[str, str], set[int]] = defaultdict(set)
    for event in events:
        if event.type == EventType.PURCHASE:
            orders[event.user_id, event.order_id].update(digest_numbers(item.item_id for item in event.items).tolist())
    items = ItemColumns(_HOUR_MICROS)
    replay, features, workspace = ItemReplay(items), ItemFeatures(items), Workspace()
    tables = TableBuilder().build(0)
    begin = events[0].event_time_unix_micros + _FIRST_DAYS * 24 * _HOUR_MICROS
    known: set[str] = set()
    for place, event in enumerate(events):
        now = event.event_time_unix_micros
        replay.close_before(now)
        if event.user_id not in known and event.type == EventType.PURCHASE and event.country and now >= begin:
            features.refresh()
            taken = orders[event.user_id, event.order_id]
            bound = tables.bound(items)
            metrics = []
            for country in ("", event.country):
                context = context_of(None, Circumstances(now, country=country), features, bound, workspace)
                rows = retrieve(context, RetrievalLimits()).rows[:DEPTH]
                hits = np.array([number in taken for number in items.digests[rows].tolist()])
                metrics.append(list_metrics(hits, len(taken)))
            yield _Lists(event.country, *metrics)
        known.add(event.user_id)
        replay.add(event, now, place)


def _measure(values: Sequence[np.ndarray]) -> MetricDraws:
    drawn = RankingDraws(np.arange(len(values)), seed=_SEED, draws=_DRAWS)
    return drawn.measure(np.array(values), RANKING_METRICS)


if __name__ == "__main__":
    sys.exit(main())
