"""The end of ``presage demo``: what one visitor is shown, before and after a few events."""

from __future__ import annotations

import time
from collections.abc import Sequence

from rich.console import Group, RenderableType
from rich.table import Table
from rich.text import Text

from presage_client import RankedItem
from presage_training.simulator import Shop
from presage_training.traffic.ranking_tour import TourStep, tour

__all__ = ["render_tour", "run_tour"]

_USER_ID, _CATEGORY, _PLACES = "you", "shoes", 4
_WAIT_SECONDS, _ATTEMPTS = 0.1, 100
_SHOWN_REASONS = 2


def run_tour(target: str, shop: Shop) -> list[TourStep]:
    """Follow one new visitor; raises TrainingError if a call fails."""
    return tour(
        target,
        shop,
        user_id=_USER_ID,
        category=_CATEGORY,
        k=_PLACES,
        wait=lambda: time.sleep(_WAIT_SECONDS),
        patience=_ATTEMPTS,
    )


def render_tour(steps: Sequence[TourStep], shop: Shop) -> Group:
    """Show the lists one below the other, with the reasons of each item."""
    parts: list[RenderableType] = [Text("what one visitor is shown next, and why", style="italic")]
    for step in steps:
        intent = step.ranking.intent
        parts.append(
            Text(f"\n  {step.happened}{f'; seems to be {intent.name.lower()}' if intent else ''}", style="bold")
        )
        table = Table(box=None, show_header=False, padding=(0, 1), pad_edge=False)
        table.add_column(width=2)
        for _ in range(2):
            table.add_column(no_wrap=True)
        table.add_column(justify="right", no_wrap=True)
        for ranked in step.ranking.items:
            item = shop.by_id[ranked.item_id].item
            table.add_row("", ranked.item_id, item.brand, f"{ranked.price:.2f}", Text(_reasons(ranked), style="cyan"))
        parts.append(table)
    return Group(*parts)


def _reasons(ranked: RankedItem) -> str:
    return ", ".join(reason.replace("_", " ") for reason in ranked.reasons[:_SHOWN_REASONS])
