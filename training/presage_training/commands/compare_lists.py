"""``presage models compare`` of ranking models: what is printed of two versions' lists."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.box import SIMPLE_HEAD
from rich.table import Column, Table

from presage_training.commands.figures import cells, span

if TYPE_CHECKING:
    from rich.console import Console

    from presage_training.verdicts.lists import ListComparison

__all__ = ["print_lists"]

_SHOWN_BY = {
    "both": "shown by either version",
    "a": "shown by the first version alone",
    "b": "shown by the second alone",
}


def print_lists(console: Console, comparison: ListComparison, name: str) -> None:
    """Print the figures."""
    console.print(
        f"{name}, {comparison.target}: {comparison.rows:,} sessions of {comparison.visitors:,} visitors, "
        f"{_SHOWN_BY[comparison.shown_by]}, {comparison.found:,} of them with an item taken that a version has among its first "
        f"{comparison.k}; {comparison.lists:,} lists; left out: {comparison.waiting:,} sessions whose outcome is not known yet",
        soft_wrap=True,
    )
    if not comparison.rows:
        if not comparison.waiting:
            console.print(
                "There is no pair of lists of both versions here: one has to be the champion and the other the challenger or the "
                "shadow, with a pairs_share above 0, while lists are asked for.",
                soft_wrap=True,
            )
        return
    whole = [Column(f"version {called.rpartition('/')[2]}", no_wrap=True) for called in comparison.names]
    whole += [Column(title, no_wrap=True) for title in ("difference", "interval", "looks")]
    table = Table("", *whole, box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    table.add_row(f"NDCG@{comparison.k} of what was taken", *cells(comparison.ndcg), "any number")
    table.add_row("reciprocal rank", *cells(comparison.reciprocal_rank), "one")
    for estimate, what in ((comparison.took, "takers"), (comparison.purchased, "buyers")):
        if estimate is not None:
            table.add_row(f"{what} among those it served", *cells(estimate), "any number")
    overlap = comparison.overlap
    table.add_row(f"same first {comparison.k}", "", "", f"{overlap.value:.4f}", span(overlap), "one")
    console.print(table)
