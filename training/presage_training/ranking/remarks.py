"""What a reader of ranking results should notice."""

from __future__ import annotations

import math
from collections.abc import Iterator

from presage_training.ranking.comparing import MODEL
from presage_training.ranking.parts import ALL, EXPLORE
from presage_training.report.metrics import Metric
from presage_training.report.page import format_metric
from presage_training.report.ranking_results import PartResult, RankingFacts, RankingResults

__all__ = ["SERVER_TTL_DAYS", "remarks_on_ranking"]

SERVER_TTL_DAYS = 30.0
"""After how many silent days a server forgets a visitor, unless it is set otherwise."""

_MANY_FORGOTTEN = 0.01
_LOW_RECALL = 0.5
_FEW_VISITORS = 10
_METRIC = "ndcg_at_10"
_ONE = {"categories": "category", "prices": "price"}


def remarks_on_ranking(results: RankingResults) -> Iterator[str]:
    """Yield sentences about what limits a model, or makes its lead doubtful."""
    best = _best_simpler(results.parts[ALL])
    yield _verdict(best, results.parts[ALL].ahead[best][_METRIC])
    yield from _few_visitors(results.parts[ALL].visitors)
    for name in (ALL, EXPLORE):
        if name in results.parts:
            yield from _doubtful_leads(name, results.parts[name], without=best if name == ALL else "")
    if results.found < _LOW_RECALL:
        yield (
            f"only {results.found:.0%} of the items taken were among the candidates, so no ranker can reach more: "
            "most were new to the log, or nothing led to them"
        )
    yield from _unknown_items(results.data)
    yield from _forgotten_visitors(results.data)
    if results.data.question == "shown-list":
        yield (
            "trained on lists that were shown, whose order it has seen: it ranks lists as such, and is worse on candidates that "
            "come from elsewhere"
        )


def _unknown_items(data: RankingFacts) -> Iterator[str]:
    missing = [name for name, has in (("categories", data.has_categories), ("prices", data.has_prices)) if not has]
    if missing:
        advice = "" if data.catalogue_items else "; give it with --items if the shop has one"
        yield (
            f"no item has a {' or a '.join(_ONE[name] for name in missing)}: features of {' and '.join(missing)} are constant in "
            f"training, but not on a server whose catalogue has them{advice}"
        )


def _forgotten_visitors(data: RankingFacts) -> Iterator[str]:
    if data.forgotten < _MANY_FORGOTTEN:
        return
    if data.state_ttl_days:
        days, which = data.state_ttl_days, f"with --state-ttl-days {data.state_ttl_days:g} has forgotten them, as here"
    else:
        days, which = SERVER_TTL_DAYS, "that keeps this default has forgotten them, but here they are remembered"
    yield (
        f"{data.forgotten:.0%} of the tested queries are of visitors who had been silent for more than {days:g} days: a server "
        f"{which}; serve with --state-ttl-days {math.ceil(data.silence_days)} or more, which covers 95 %"
    )


def _best_simpler(part: PartResult) -> str:
    simpler = [ranker for ranker in part.ahead if not ranker.startswith(MODEL)]
    return max(simpler, key=lambda ranker: part.metrics[ranker][_METRIC].value or 0.0)


def _verdict(best: str, lead: Metric) -> str:
    which = f"the best simpler ranking, {best}"
    if (lead.value or 0.0) <= 0.0:
        return f"not ahead of {which}: {_METRIC} {format_metric(lead)}"
    chance = "" if (lead.low or 0.0) > 0.0 else ", which may be chance"
    return f"ahead of {which}, by {_METRIC} {format_metric(lead)}{chance}"


def _few_visitors(visitors: int) -> Iterator[str]:
    if visitors == 1:
        yield "all tested queries are of one visitor, so the intervals say nothing"
    elif visitors < _FEW_VISITORS:
        yield f"the tested queries are of {visitors} visitors, fewer than {_FEW_VISITORS}, so the intervals say little"


def _doubtful_leads(name: str, part: PartResult, *, without: str) -> Iterator[str]:
    """Name the rankers that the model is not surely ahead of, but for one that was spoken of already."""
    doubtful = {
        ranker: lead
        for ranker, metrics in part.ahead.items()
        if not ranker.startswith(MODEL)
        and ranker != without
        and (lead := metrics[_METRIC]).low is not None
        and lead.low <= 0.0
    }
    chance = [ranker for ranker, lead in doubtful.items() if (lead.value or 0.0) > 0.0]
    if chance:
        yield f"{name}: the lead over {', '.join(chance)} may be chance"
    behind = [f"{ranker}: {format_metric(lead)}" for ranker, lead in doubtful.items() if ranker not in chance]
    if behind:
        yield f"{name}: not ahead of {', '.join(behind)}"
