"""A catalogue's file says the same to training as to servers, however its text is laid out."""

from __future__ import annotations

import csv
import io

import pytest

from presage_featurizer import MICROS, money_micros
from presage_featurizer.ranking.items_counter import CatalogueChange
from presage_server.items.catalogue_files import open_catalogue
from presage_server.items.catalogue_rows import item_of
from presage_training.readers.catalogue import read_catalogue
from presage_training.readers.skipped_rows import SkippedRows

ROWS = (("käse-1", "9,90", "new|sale", "Käse, alt"), ("brot", "1.234,50", "", "Brot"), ("wein", "12", "rot", ""))
CHANGES = [
    CatalogueChange("käse-1", 9_900_000, "Käse, alt", tags=("new", "sale")),
    CatalogueChange("brot", 1_234_500_000, "Brot"),
    CatalogueChange("wein", 12 * MICROS, tags=("rot",)),
]


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "cp1252", "utf-16"])
@pytest.mark.parametrize(
    ("name", "separator"), [("items.csv", ","), ("items.csv", ";"), ("items.tsv", "\t"), ("items.csv", "|")]
)
def test_separators_and_encodings_are_guessed(tmp_path, name, separator, encoding):
    text = io.StringIO()
    csv.writer(text, delimiter=separator).writerows([("sku", "price", "tags", "category"), *ROWS])
    path = tmp_path / name
    path.write_bytes(text.getvalue().encode(encoding))
    skipped = SkippedRows()

    assert list(read_catalogue(path, "item_id=sku", skipped=skipped)) == CHANGES
    assert skipped.counts == {}
    with open_catalogue(path, {"item_id": "sku"}, encoding) as catalogue:
        items = [item_of(row.values) for row in catalogue.rows]
    assert [(item.item_id, money_micros(item.price), item.category, tuple(item.tags)) for item in items] == [
        (change.item_id, change.price_micros, change.category or "", change.tags or ()) for change in CHANGES
    ]


def test_a_file_of_ids_alone_is_read(tmp_path):
    path = tmp_path / "items.csv"
    path.write_text("item_id\na\nb\n")

    assert [change.item_id for change in read_catalogue(path, "", skipped=SkippedRows())] == ["a", "b"]
