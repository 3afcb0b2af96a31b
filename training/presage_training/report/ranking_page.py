"""Results of a ranking run as a self-contained HTML page, and as lines for a terminal."""

from __future__ import annotations

from collections.abc import Sequence
from html import escape
from pathlib import Path

from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from presage_training.report.charts import bar_chart
from presage_training.report.markup import STYLE, breakable, figure, table
from presage_training.report.page import format_metric
from presage_training.report.ranking_results import PartResult, RankingResults, encode_ranking_results
from presage_training.report.writing import PAGE_FILE, RESULTS_FILE
from presage_training.times import format_time

__all__ = ["ranking_lines", "ranking_table", "render_ranking_page", "write_ranking_results"]

_METRIC = "ndcg_at_10"
_IN_TERMINAL = (_METRIC, "precision_at_10", "recall_at_10", "mrr_at_20")
_MAX_FEATURES = 20


def write_ranking_results(folder: Path, results: RankingResults) -> None:
    """Write ``results.json`` and ``report.html`` into an existing folder."""
    (folder / RESULTS_FILE).write_bytes(encode_ranking_results(results))
    (folder / PAGE_FILE).write_text(render_ranking_page(results), encoding="utf-8")


def render_ranking_page(results: RankingResults) -> str:
    """Render a page; the same results give the same text."""
    sections = [_header(results), *(_part(results, name) for name in results.parts), _lists(results)]
    sections += [_importance(results), _data(results)]
    return (
        '<!doctype html>\n<html lang="en"><head><meta charset="utf-8">'
        '<meta name="viewport" content="width=device-width, initial-scale=1">'
        f"<title>{escape(results.name)}</title><style>{STYLE}</style></head>\n<body>\n"
        + "\n".join(sections)
        + "\n</body></html>\n"
    )


def ranking_table(results: RankingResults, name: str, *, width: int) -> Table:
    """Lay out the main metrics of each ranker on a part of the answers, as many as ``width`` has room for; the page has all."""
    wide = Console(width=1_000)
    for count in range(len(_IN_TERMINAL), 1, -1):
        found = _table_of(results, name, _IN_TERMINAL[:count])
        if wide.measure(found).minimum <= width:
            return found
    return _table_of(results, name, _IN_TERMINAL[:1])


def _table_of(results: RankingResults, name: str, metrics: tuple[str, ...]) -> Table:
    part = results.parts[name]
    longest = max(len(word) for ranker in part.metrics for word in ranker.split())
    columns = {
        metric: [_folded(format_metric(found[metric], interval=metric == _METRIC)) for found in part.metrics.values()]
        for metric in metrics
    }
    columns[f"{results.model}\nahead by"] = [
        _folded(format_metric(part.ahead[ranker][_METRIC])) if ranker in part.ahead else "" for ranker in part.metrics
    ]
    laid_out = Table(
        Column("ranked by", min_width=longest, overflow="fold"),  # a name that is cut cannot be read
        *(_unbroken(header, cells) for header, cells in columns.items()),
        box=SIMPLE_HEAD,
        title_justify="left",
        collapse_padding=True,
        pad_edge=False,
    )
    laid_out.title = f"{results.data.question}, {name}: {part.queries:,} queries of {part.visitors:,} visitors"
    for row in zip(part.metrics, *columns.values(), strict=True):
        laid_out.add_row(*row)
    return laid_out


def _unbroken(header: str, cells: Sequence[str]) -> Column:
    """Make a column that is never narrower than its longest line."""
    return Column(
        header, no_wrap=True, min_width=max(len(line) for text in (header, *cells) for line in text.split("\n"))
    )


def ranking_lines(results: RankingResults, *, width: int) -> list[Table | str]:
    """Lay out a run for a terminal of this width: the metrics of all answers and of new items, and what there is to notice."""
    data = results.data
    return [
        f"{data.question}: {data.why}",
        *(ranking_table(results, name, width=width) for name in results.parts if name in {"all", "explore"}),
        (
            f"{data.fit_queries:,} queries to fit {results.trees} trees; {results.candidates:.0f} candidates each, which have"
            f" {results.found:.1%} of the items taken"
        ),
        *results.remarks,
        *(f"skipped by the reader, {count:,} times: {reason}" for reason, count in data.skipped.items()),
    ]


def _folded(metric: str) -> str:
    return metric.replace(" (", "\n(")


def _header(results: RankingResults) -> str:
    data = results.data
    remarks = "".join(f"<li>{escape(remark)}</li>" for remark in results.remarks)
    return (
        f"<h1>{escape(results.name)}</h1><p>Ranking of items, trained and measured on <b>{escape(data.question)}</b> of "
        f"{escape(data.source)}: {escape(data.why)}. All items compete, all queries count, and an item taken that was not found "
        "counts as 0. Tables of neighbours are older than the answers, in fitting as in testing.</p>"
        + (f"<ul>{remarks}</ul>" if remarks else "")
    )


def _part(results: RankingResults, name: str) -> str:
    part: PartResult = results.parts[name]
    metrics = list(part.metrics[results.model])
    rows = [
        (
            [
                breakable(ranker),
                *(_cell(format_metric(found[metric])) for metric in metrics),
                _cell(format_metric(part.ahead[ranker][_METRIC])) if ranker in part.ahead else "",
            ],
            "" if ranker.startswith(results.model) else "baseline",
        )
        for ranker, found in part.metrics.items()
    ]
    heads = ["ranked by", *metrics, f"{results.model} ahead by ({_METRIC})"]
    return (
        f"<h2>{escape(name.capitalize())}</h2><p>{part.queries:,} queries of {part.visitors:,} visitors: {escape(part.meaning)}."
        f"</p>{table(heads, rows)}<p><small>In brackets: 95 % intervals of {results.draws} draws of visitors with replacement."
        "</small></p>"
    )


def _cell(metric: str) -> str:
    return escape(metric).replace(" (", "<br><small>(").replace(" to ", " to&nbsp;") + (
        "</small>" if "(" in metric else ""
    )


def _lists(results: RankingResults) -> str:
    rows = [
        (
            [
                breakable(ranker),
                escape(results.rankers.get(ranker, "")),
                f"{facts.coverage:.1%}",
                f"{facts.novelty_bits:.2f}",
                "-" if facts.diversity is None else f"{facts.diversity:.2f}",
            ],
            "" if ranker.startswith(results.model) else "baseline",
        )
        for ranker, facts in results.lists.items()
    ]
    return "<h2>What the lists hold</h2>" + table(
        ["ranked by", "which is", "coverage", "novelty, bits", "categories for each item"], rows
    )


def _importance(results: RankingResults) -> str:
    shown = list(results.importances.items())[:_MAX_FEATURES]
    title = "Share of the gain"
    return f"<h2>Importance</h2>{figure(title, bar_chart(title, shown, percent=True))}"


def _data(results: RankingResults) -> str:
    data = results.data
    facts = [
        ("events", f"{data.events:,}"),
        ("of them, interest in items", f"{data.item_events:,}"),
        ("visitors", f"{data.visitors:,}"),
        ("items", f"{data.items:,}"),
        ("from", format_time(data.first_unix_micros)),
        ("fitting from", format_time(data.fit_from_unix_micros)),
        ("testing from", format_time(data.test_from_unix_micros)),
        ("until", format_time(data.last_unix_micros)),
        ("answers to fit on, and fitted", f"{data.fit_answers:,}, {data.fit_queries:,}"),
        ("answers to test on, and tested", f"{data.test_answers:,}, {data.test_queries:,}"),
        ("candidates for each query", f"{results.candidates:.1f}"),
        ("items taken that were among them", f"{results.found:.1%}"),
        ("trees", f"{results.trees}"),
        ("bucket of counts, seconds", f"{data.bucket_seconds}"),
        ("items of the catalogue given", f"{data.catalogue_items:,}" if data.catalogue_items else "none given"),
        ("visitors forgotten after, days", f"{data.state_ttl_days:g}" if data.state_ttl_days else "never"),
        ("tested after a longer silence than servers remember", f"{data.forgotten:.1%}"),
        ("silence before 95 % of the tests, days at most", f"{data.silence_days:.1f}"),
        ("seed", f"{results.seed}"),
        *((f"skipped by the reader: {escape(reason)}", f"{count:,}") for reason, count in data.skipped.items()),
    ]
    text = f"<h2>Data</h2>{table(['log', ''], [(list(fact), '') for fact in facts])}"
    return text + (f"<h2>Export</h2><p>{escape(results.export)}</p>" if results.export else "")
