"""The files that commands in the docs name, made of a simulated shop and in the shapes that the pages describe."""

from __future__ import annotations

import csv
import gzip
import io
import shutil
import tomllib
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from random import Random
from zoneinfo import ZoneInfo

import pyarrow as pa
from pyarrow import parquet

from presage_featurizer import MICROS, Event, EventType
from presage_featurizer.ranking.placements import Exploration, Placement
from presage_training.readers.formats.presage_log import write_presage_log
from presage_training.simulator import simulate
from support.doc_blocks import ROOT, blocks_of
from support.events import DAY_MICROS, START_UNIX_MICROS
from support.logged_lists import logged_ranking, seen, write_archive
from support.shelves import Good, Shelf

_BERLIN = ZoneInfo("Europe/Berlin")
_VISITORS, _DAYS = 120, 14
_WORDS = {
    EventType.VIEW_ITEM: "product page",
    EventType.ADD_TO_CART: "basket",
    EventType.PURCHASE: "order",
    EventType.PAGE_VIEW: "ping",
}
_REES46_WORDS = {EventType.VIEW_ITEM: "view", EventType.ADD_TO_CART: "cart", EventType.PURCHASE: "purchase"}


def write_logs(folder: Path) -> None:
    """Write every log, the mapping of ``clicks``, and the shipped models into a folder."""
    october, november = _shop(START_UNIX_MICROS), _shop(START_UNIX_MICROS + 30 * DAY_MICROS)
    write_presage_log(folder / "events.jsonl", october)
    clicks = list(_clicks(october))
    parquet.write_table(pa.Table.from_pylist(clicks), folder / "clicks.parquet")
    parquet.write_table(pa.Table.from_pylist(list(_clicks(november))), folder / "november.parquet")
    _write_csv(folder / "clicks.csv.gz", clicks)
    _write_csv(folder / "export.csv.gz", list(_export(october)))
    _write_csv(folder / "2019-Oct.csv.gz", list(_rees46(october)))
    parquet.write_table(pa.Table.from_pylist(list(_wholesale())), folder / "online_retail.parquet")
    _write_catalogue(folder / "items.csv", october)
    (folder / "clicks.toml").write_text(_mapping())
    (folder / "placements.toml").write_text(_placements())
    _write_lists(folder / "archive")
    shutil.copytree(ROOT / "models", folder / "models")


def _mapping() -> str:
    """Return the mapping that the docs show."""
    tables = (block.text for block in blocks_of(ROOT / "docs/how-to/replay-a-log.md") if block.language == "toml")
    return next(text for text in tables if "event_types" in tomllib.loads(text))


def _placements() -> str:
    """Return the rules that the docs show."""
    return next(
        block.text for block in blocks_of(ROOT / "docs/how-to/rules-of-placements.md") if block.language == "toml"
    )


def _write_lists(directory: Path) -> None:
    """Write an archive of lists that visitors were shown, whose first item they clicked."""
    shelf = Shelf([Good("shoes", "b", price) for price in range(10, 40)])
    placement = Placement(exploration=Exploration(slots=(1, 2, 3), epsilon=0.9))
    exposures = [logged_ranking(shelf, placement, number=number, k=5, name="home") for number in range(200)]
    write_archive(directory, exposures, [event for exposure in exposures for event in seen(exposure, shelf, (0,))])


def _shop(start_unix_micros: int) -> list[Event]:
    return simulate(seed=7, visitors=_VISITORS, start_unix_micros=start_unix_micros, days=_DAYS)


def _clicks(events: Sequence[Event]) -> Iterator[dict[str, object]]:
    for event in events:
        if event.type in _WORDS:
            at = datetime.fromtimestamp(event.event_time_unix_micros // MICROS, _BERLIN)
            yield {
                "visitor": event.user_id,
                "action": _WORDS[event.type],
                "at": at.strftime("%d.%m.%Y %H:%M:%S"),
                "sku": event.items[0].item_id if event.items else "",
                "unit price": event.items[0].price_micros / 1e6 if event.items else None,
                "land": "Deutschland" if event.country == "DE" else event.country,
                "source": "ads",
            }


def _export(events: Sequence[Event]) -> Iterator[dict[str, object]]:
    for event in events:
        yield {
            "customer": event.user_id,
            "session": event.session_id,
            "event": event.type.name.lower(),
            "time": datetime.fromtimestamp(event.event_time_unix_micros / MICROS, UTC).isoformat(),
            "product": event.items[0].item_id if event.items else "",
            "price": event.items[0].price_micros / 1e6 if event.items else "",
        }


def _rees46(events: Sequence[Event]) -> Iterator[dict[str, object]]:
    users = {name: number for number, name in enumerate(sorted({event.user_id for event in events}), start=5_000)}
    for event in events:
        if event.type in _REES46_WORDS and event.items:
            at = datetime.fromtimestamp(event.event_time_unix_micros // MICROS, UTC)
            yield {
                "event_time": at.strftime("%Y-%m-%d %H:%M:%S UTC"),
                "event_type": _REES46_WORDS[event.type],
                "product_id": event.items[0].item_id,
                "category_id": "",
                "category_code": event.items[0].category,
                "brand": event.items[0].brand,
                "price": event.items[0].price_micros / 1e6,
                "user_id": users[event.user_id],
                "user_session": event.session_id,
            }


def _wholesale() -> Iterator[dict[str, object]]:
    """Yield a year's invoices of customers, some of which order often, in the order of time."""
    rng = Random(7)
    orders = []
    for customer in range(17_000, 17_050):
        day, mean_gap_days = rng.uniform(0, 60), rng.choice((12, 30, 90))
        while day < 300:
            orders.append((day, customer))
            day += rng.expovariate(1 / mean_gap_days) + 0.5
    for number, (day, customer) in enumerate(sorted(orders), start=536_365):
        yield {
            "InvoiceNo": str(number),
            "StockCode": f"{rng.randrange(20_000, 20_040)}",
            "Description": "WHITE HEART",
            "Quantity": rng.randint(1, 12),
            "InvoiceDate": datetime.fromtimestamp(1_291_191_960 + round(day * 86_400), UTC).replace(tzinfo=None),
            "UnitPrice": rng.randint(1, 20) / 4,
            "CustomerID": str(customer),
            "Country": "United Kingdom",
        }


def _write_catalogue(path: Path, events: Sequence[Event]) -> None:
    """Write the catalogue of a shop, in the columns that ``presage items load`` knows, and once more in those of another shop."""
    sold = {item.item_id: item for event in events for item in event.items}
    with path.open("w", newline="") as file, path.with_name("stock.csv").open("w", newline="") as stock:
        items, units = csv.writer(file), csv.writer(stock)
        items.writerow(["item_id", "price", "category", "brand", "tags", "stock", "blocked", "first_seen"])
        units.writerow(["sku", "units"])
        for item in sold.values():
            price = item.price_micros / MICROS
            items.writerow([item.item_id, price, item.category, item.brand, "new|sale", 5, "false", "2026-01-31"])
            units.writerow([item.item_id, 4])


def _write_csv(path: Path, rows: list[dict[str, object]]) -> None:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]))
    writer.writeheader()
    writer.writerows(rows)
    path.write_bytes(gzip.compress(text.getvalue().encode()))
