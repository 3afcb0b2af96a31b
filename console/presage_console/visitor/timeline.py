"""The timeline: a page of a visitor's events, each with the score right after it and what was served then."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from presage_client import Prediction
from presage_console.visitor.replaying import Moment, Served
from presage_featurizer import MICROS, Event

__all__ = ["PER_PAGE", "ItemLine", "Line", "Page", "find_page", "timeline"]

PER_PAGE = 50
_ITEMS_SHOWN = 4


@dataclass(frozen=True, kw_only=True, slots=True)
class Page:
    """Some of a visitor's events, by number."""

    number: int
    """From 1, the newest events first."""
    pages: int
    first: int
    """The number of the page's oldest event, from 1."""
    last: int
    """That of its newest one; less than ``first`` if there are none."""


def find_page(count: int, page: int | None, at: int | None) -> Page:
    """Find the page that was asked for, or the one with an event; what does not exist is the nearest that does.

    Args:
        count: How many events there are.
        page: The page's number; None: the one with the event ``at``.
        at: An event's number; None: the newest one.
    """
    pages = max(1, -(-count // PER_PAGE))
    if page is None:
        page = 1 if at is None else (count - at) // PER_PAGE + 1
    page = min(max(page, 1), pages)
    last = count - (page - 1) * PER_PAGE
    return Page(number=page, pages=pages, first=max(1, last - PER_PAGE + 1), last=last)


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemLine:
    """One item of an event."""

    item_id: str
    category: str
    price: float
    quantity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One event of the timeline."""

    number: int
    event: Event
    what: str
    """The event's type in words."""
    items: tuple[ItemLine, ...]
    """The first few."""
    more_items: int
    """How many more there are."""
    value: float | None
    """The money or the rating that it has."""
    notes: tuple[str, ...]
    """What is special about it."""
    score: float | None
    """The score right after it; None if it could not be computed."""
    change: float | None
    """By how much it differs from the one after the event before."""
    served: tuple[Served, ...]
    """The scores that were served after it and were sampled into the log."""


def timeline(
    moments: Sequence[Moment],
    predictions: Sequence[Prediction] | None,
    served: Sequence[Sequence[Served]],
    page: Page,
) -> list[Line]:
    """Describe a page's events, the newest first.

    Args:
        moments: Those of the page, and the one before it if there is one.
        predictions: One for each moment; None if there are none.
        served: What was served after each moment.
        page: Which events are described.
    """
    lines = []
    before: float | None = None
    for place, moment in enumerate(moments):
        score = None if predictions is None or not moment.complete else predictions[place].score
        if moment.number >= page.first:
            change = None if score is None or before is None else score - before
            lines.append(_line(moment, score, change, tuple(served[place])))
        before = score
    return lines[::-1]


def _line(moment: Moment, score: float | None, change: float | None, served: tuple[Served, ...]) -> Line:
    event = moment.event
    return Line(
        number=moment.number,
        event=event,
        what=event.type.name.lower().replace("_", " "),
        items=tuple(
            ItemLine(
                item_id=item.item_id,
                category=item.category,
                price=item.price_micros / MICROS,
                quantity=item.quantity,
            )
            for item in event.items[:_ITEMS_SHOWN]
        ),
        more_items=max(0, len(event.items) - _ITEMS_SHOWN),
        value=None if event.value_micros is None else event.value_micros / MICROS,
        notes=tuple(_notes(moment)),
        score=score,
        change=change,
        served=served,
    )


def _notes(moment: Moment) -> list[str]:
    notes = []
    if moment.begins:
        notes.append("new visitor" if moment.number == 1 else "the server had no history of the visitor any more")
    if moment.duplicate:
        notes.append("counted before, changed nothing")
    if moment.late:
        notes.append("came late: later events had been counted")
    if not moment.complete:
        notes.append("the visitor's beginning is not in the archive")
    return notes
