"""Results for a terminal."""

from __future__ import annotations

from collections.abc import Iterator

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from presage_training.report.explained import Explanations
from presage_training.report.page import format_metric
from presage_training.report.results import Results

__all__ = ["models_table", "results_lines"]

_FEATURES = 8
_ON_THE_PAGE_ONLY = frozenset({"accuracy", "precision", "recall", "lift_at_10_percent"})


def models_table(results: Results) -> Table:
    """Lay out the main metrics of each model, baselines included; the page has all of them."""
    names = [name for name in results.models[0].metrics if name not in _ON_THE_PAGE_ONLY]
    skill = "roc_auc" if "roc_auc" in names else "r2"
    part, facts = list(results.data.parts.items())[-1]
    rows = "rows" if part == "all" else f"{part} rows"
    balance = f"{facts.positives:,} positive" if skill == "roc_auc" else f"mean {facts.mean_label:,.2f}"
    longest = max(len(word) for model in results.models for word in model.label.split() if not word.startswith("("))
    table = Table(
        Column("model", min_width=longest, overflow="fold"),  # a name that is cut cannot be used
        *names,
        Column(f"above {results.baseline}", overflow="fold"),
        title=f"{results.data.target} on {facts.rows:,} {rows} of {facts.visitors:,} visitors, {balance}",
        title_justify="left",
        box=SIMPLE_HEAD,
        collapse_padding=True,
        pad_edge=False,
    )
    for model in results.models:
        table.add_row(
            f"{model.label}, baseline" if model.is_baseline else model.label,
            *(_folded(format_metric(model.metrics[name], interval=name == skill)) for name in names),
            _folded(format_metric(model.ahead)) if model.ahead else "",
        )
    return table


def results_lines(results: Results) -> list[Table | str]:
    """Lay out the models' metrics, then a line for each leakage warning, remark, and reason to skip rows."""
    return [
        models_table(results),
        *(line for model in results.models if model.explanations for line in _explanation_lines(model.explanations)),
        *(f"leakage? {warning.name}: {warning.message}" for check in results.checks for warning in check.warnings),
        *results.remarks,
        *(f"skipped by the reader, {count:,} times: {reason}" for reason, count in results.data.skipped.items()),
    ]


def _explanation_lines(explanations: Explanations) -> Iterator[str]:
    weights = list(explanations.mean_contribution.items())[:_FEATURES]
    yield f"mean contribution to the margin: {', '.join(f'{name} {weight:.3f}' for name, weight in weights)}"
    for row in explanations.examples:
        yield f"{row.place} score {row.score:.3f}: {'; '.join(row.reasons)}"


def _folded(metric: str) -> str:
    """Put an interval under its figure: eight of them side by side are wider than a terminal."""
    return metric.replace(" (", "\n(").replace(" to ", "-")
