"""Rankings as servers log them, and the events of visitors who saw them."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

from presage_featurizer import Event, encode_event
from presage_featurizer.event_log import Entry, EntryId, Exposure, encode_exposure
from presage_featurizer.events import EventType, Item, Shown
from presage_featurizer.ranking.placements import Placement, arrange
from presage_server.archive.folder import open_folder
from presage_server.archive.parts import parts_by_day
from support.shelves import NOW, Shelf


def logged_ranking(
    shelf: Shelf,
    placement: Placement,
    *,
    number: int,
    k: int,
    name: str = "",
    features: bytes = b"",
    fingerprint: str = "",
    scores: Sequence[float] | None = None,
) -> Exposure:
    """Rank all goods for a visitor of their own, as a server does, and return what it logs."""
    scored = shelf.scored(scores)
    order = np.lexsort((scored.digests, -scored.scores))
    arranged = arrange(scored, placement, shelf.items, k=k, budget_micros=None, cart_micros=0, seed=number)
    places = np.empty(len(order), "<u2")
    places[order] = np.arange(len(order))
    live = shelf.items.live_values(scored.rows[order], scored.digests[order])
    return Exposure(
        rank_id=f"{number:032x}",
        user_id=f"visitor-{number}",
        session_id="",
        as_of_unix_micros=NOW + number,
        last_event=b"",
        model="ranking",
        model_version="1",
        fingerprint=fingerprint,
        epoch=shelf.items.epoch,
        placement=name,
        next_items=False,
        degraded=False,
        k=k,
        budget_micros=None,
        cart_micros=0,
        anchor=None,
        candidates=scored.digests[order].astype("<u8").tobytes(),
        sources=scored.sources[order].tobytes(),
        given=np.zeros(len(order), "<u2").tobytes(),
        scores=scored.scores[order].astype("<f8").tobytes(),
        prices=live.prices.astype("<f8").tobytes(),
        stocks=live.stock.astype("<i8").tobytes(),
        blocked=live.blocked.astype(np.uint8).tobytes(),
        shown=places[arranged.places].tobytes(),
        propensities=arranged.propensities.astype("<f8").tobytes(),
        rules=arranged.rules,
        features=features,
    )


def seen(
    exposure: Exposure,
    shelf: Shelf,
    clicked: Sequence[int] = (),
    *,
    with_propensities: bool = True,
    kind: EventType = EventType.SELECT_ITEM,
) -> list[Event]:
    """Return the events of a visitor who saw all of a ranking, and clicked some of its places, from 0."""
    names = {int(digest): f"item-{place}" for place, digest in enumerate(shelf.digests)}
    shares = np.frombuffer(exposure.propensities, "<f8").tolist() if with_propensities else [0.0] * len(exposure.order)
    items = [
        Item(names[int(exposure.digests[place])], shown=Shown(position, exposure.rank_id, share))
        for position, (place, share) in enumerate(zip(exposure.order.tolist(), shares, strict=True), 1)
    ]
    at = exposure.as_of_unix_micros
    return [
        Event(f"{exposure.rank_id}-list", EventType.VIEW_ITEM_LIST, exposure.user_id, at, items=tuple(items)),
        *(
            Event(f"{exposure.rank_id}-{place}", kind, exposure.user_id, at + 1, items=(items[place],))
            for place in clicked
        ),
    ]


def write_archive(directory: Path, exposures: Iterable[Exposure], events: Iterable[Event]) -> None:
    """Write an archive as ``presage archive`` does."""
    entries = [
        *(_entry(place, exposure=encode_exposure(exposure)) for place, exposure in enumerate(exposures)),
        *(_entry(place, event=encode_event(event)) for place, event in enumerate(events)),
    ]
    with open_folder(directory, new_id=lambda: "lists") as folder:
        folder.commit(parts_by_day(entries), positions={}, entries=len(entries))


def _entry(place: int, *, event: bytes = b"", exposure: bytes = b"") -> Entry:
    return Entry(0, EntryId(NOW // 1_000, place), event, no_prior_state=False, exposure=exposure)
