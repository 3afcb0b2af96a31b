"""Results as a table for a terminal."""

from __future__ import annotations

from rich.table import Table

from presage_training.report.page import format_metric
from presage_training.report.results import Results

__all__ = ["models_table"]


def models_table(results: Results) -> Table:
    """Lay out the metrics of each model, baselines among them, and the intervals of the one that models are ranked by."""
    names = list(results.models[0].metrics)
    skill = "roc_auc" if "roc_auc" in names else "r2"
    part, facts = list(results.data.parts.items())[-1]
    balance = f"{facts.positives:,} positive" if skill == "roc_auc" else f"mean {facts.mean_label:,.2f}"
    table = Table(
        "model",
        *names,
        f"above {results.baseline}",
        title=f"{results.data.target} on {facts.rows:,} {part} rows of {facts.visitors:,} visitors, {balance}",
        title_justify="left",
    )
    for model in results.models:
        table.add_row(
            f"{model.label}, baseline" if model.is_baseline else model.label,
            *(format_metric(model.metrics[name], interval=name == skill) for name in names),
            format_metric(model.ahead) if model.ahead else "",
        )
    return table
