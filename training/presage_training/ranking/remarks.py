"""What a reader of ranking results should notice."""

from __future__ import annotations

from collections.abc import Iterator

from presage_training.ranking.comparing import MODEL
from presage_training.ranking.parts import ALL, EXPLORE
from presage_training.report.ranking_results import PartResult, RankingResults

__all__ = ["remarks_on_ranking"]

_LOW_RECALL = 0.5
_METRIC = "ndcg_at_10"


def remarks_on_ranking(results: RankingResults) -> Iterator[str]:
    """Yield sentences about what limits a model, or makes its lead doubtful."""
    for name in (ALL, EXPLORE):
        if name in results.parts:
            yield from _doubtful_leads(name, results.parts[name])
    if results.found < _LOW_RECALL:
        yield (
            f"only {results.found:.0%} of the items taken were among the candidates, so no ranker can reach more: "
            "most were new to the log, or nothing led to them"
        )
    if results.lists[results.model].diversity is None:
        yield "no item has a category, so candidates alike in category and brand are not found; give categories if you have them"
    if results.data.question == "shown-list":
        yield (
            "trained on lists that were shown, whose order it has seen: it ranks lists as such, and is worse on candidates that "
            "come from elsewhere"
        )


def _doubtful_leads(name: str, part: PartResult) -> Iterator[str]:
    doubtful = [
        ranker
        for ranker, metrics in part.ahead.items()
        if not ranker.startswith(MODEL) and (low := metrics[_METRIC].low) is not None and low <= 0.0
    ]
    if doubtful:
        yield f"{name}: the lead over {', '.join(doubtful)} may be chance"
