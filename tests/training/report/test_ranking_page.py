"""Rankings in a terminal: whole numbers at any width. And what is said of a lead."""

from __future__ import annotations

import io
from dataclasses import replace

import pytest
from rich.console import Console
from training.ranking.shops import walks

from presage_training.ranking.planning import RankingOptions
from presage_training.ranking.remarks import remarks_on_ranking
from presage_training.ranking.runs import rank_log
from presage_training.report.metrics import Metric
from presage_training.report.page import format_metric
from presage_training.report.ranking_page import ranking_table
from presage_training.report.ranking_results import RankingResults


@pytest.fixture(scope="module")
def results() -> RankingResults:
    log = walks()
    return rank_log(lambda: log, RankingOptions(draws=100))


@pytest.mark.parametrize(("width", "columns"), [(50, 1), (80, 2), (120, 4)])
def test_no_number_is_broken_at_any_width(results, width, columns):
    text = io.StringIO()
    Console(width=width, file=text).print(ranking_table(results, "all", width=width))

    part = results.parts["all"]
    for ranker, found in part.metrics.items():
        for metric in (found["ndcg_at_10"], part.ahead.get(ranker, found)["ndcg_at_10"]):
            value, interval = format_metric(metric).split(" ", 1)
            assert value in text.getvalue()
            assert interval in text.getvalue()
    assert "\u2026" not in text.getvalue()
    assert text.getvalue().count("_at_") == columns


@pytest.mark.parametrize(
    ("lead", "verdict", "elsewhere"),
    [
        ((0.012, 0.001, 0.022), "ahead of the best simpler ranking, NAME, by ndcg_at_10 0.012 (0.001 to 0.022)", None),
        (
            (0.012, -0.0001, 0.022),
            "ahead of the best simpler ranking, NAME, by ndcg_at_10 0.012 (0.000 to 0.022), which may be chance",
            "explore: the lead over NAME may be chance",
        ),
        (
            (-0.006, -0.016, 0.002),
            "not ahead of the best simpler ranking, NAME: ndcg_at_10 -0.006 (-0.016 to 0.002)",
            "explore: not ahead of NAME: -0.006 (-0.016 to 0.002)",
        ),
    ],
)
def test_the_first_remark_is_the_verdict(results, lead, verdict, elsewhere):
    part = results.parts["all"]
    best = max(part.ahead, key=lambda ranker: part.metrics[ranker]["ndcg_at_10"].value)
    changed = replace(part, ahead=part.ahead | {best: {"ndcg_at_10": Metric(value=lead[0], low=lead[1], high=lead[2])}})
    remarks = list(remarks_on_ranking(replace(results, parts={"all": changed, "explore": changed})))

    assert remarks[0] == verdict.replace("NAME", best)
    assert [remark for remark in remarks if remark.startswith("explore: ")] == (
        [elsewhere.replace("NAME", best)] if elsewhere else []
    )


@pytest.mark.parametrize(
    ("visitors", "remark"),
    [
        (1, "all tested queries are of one visitor, so the intervals say nothing"),
        (9, "the tested queries are of 9 visitors, fewer than 10, so the intervals say little"),
    ],
)
def test_intervals_of_few_visitors_are_doubted(results, visitors, remark):
    def of(count: int) -> RankingResults:
        return replace(results, parts=results.parts | {"all": replace(results.parts["all"], visitors=count)})

    assert remark in remarks_on_ranking(of(visitors))
    assert not any("intervals say" in found for found in remarks_on_ranking(of(10)))
