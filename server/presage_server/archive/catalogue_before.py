"""What the catalogue said before an archive began: the store's checkpoint of items has it, when the entries have left."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

import numpy as np

from presage_featurizer import money_micros
from presage_featurizer.event_log import BEGINNING
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_bucket import Said
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_featurizer.ranking.items_live import NO_STOCK_KNOWN
from presage_server.archive.catalogue import CatalogueEntry
from presage_server.items.changes import CHANGES_PER_ENTRY, encode_changes

__all__ = ["entries_before"]


def entries_before(columns: ItemColumns) -> Iterator[CatalogueEntry]:
    """Return what the catalogue said of items up to a checkpoint, as entries before all others."""
    changes = _changes(columns)
    first = 0
    while some := tuple(islice(changes, CHANGES_PER_ENTRY)):
        (encoded,) = encode_changes(some)
        yield CatalogueEntry(BEGINNING, encoded, some, first)
        first += len(some)


def _changes(columns: ItemColumns) -> Iterator[CatalogueChange]:
    live, size = columns.live, len(columns)
    categories, brands = (list(columns.codes[kind]) for kind in ("category", "brand"))
    said = columns.said[:size]
    given = (said > 0) | live.is_priced[:size] | (live.stock[:size] != NO_STOCK_KNOWN) | live.blocked[:size]
    given |= np.fromiter(map(bool, live.tags[:size]), np.bool_, size)
    for row in np.flatnonzero(given).tolist():
        bits = int(said[row])
        stock = int(live.stock[row])
        yield CatalogueChange(
            columns.ids[row],
            price_micros=money_micros(float(live.prices[row])) if live.is_priced[row] else None,
            category=categories[columns.categories[row]] if bits & Said.CATEGORY else None,
            brand=brands[columns.brands[row]] if bits & Said.BRAND else None,
            tags=live.tags[row] or None,
            stock=None if stock == NO_STOCK_KNOWN else stock,
            blocked=True if live.blocked[row] else None,
            first_seen_unix_micros=int(columns.first_seen_unix_micros[row]) if bits & Said.FIRST_SEEN else None,
        )
    yield from live.pending
