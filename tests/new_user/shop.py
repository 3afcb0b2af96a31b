"""Writes the event log of a made-up shop, as another system would export it: ``python shop.py LOG.csv``."""

from __future__ import annotations

import csv
import sys
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from random import Random

COLUMNS = ("Zeit", "Kunde", "Aktion", "Artikel", "Warengruppe", "Preis", "Bestellnummer")
PRICES = {"Lampen": 39.9, "Tische": 249.0, "Teppiche": 119.5, "Kissen": 14.95}
START = datetime.fromisoformat("2026-03-02 08:00")
DAYS, CUSTOMERS = 28, 300


def visits(rng: Random) -> Iterator[tuple[str, ...]]:
    """Yield the rows of all visits; who came back with a cart, or often, buys more readily."""
    for customer in range(CUSTOMERS):
        keenness = rng.random()
        at = START + timedelta(days=rng.uniform(0, 7))
        while at < START + timedelta(days=DAYS):
            yield from visit(rng, at, f"K{customer:04d}", keenness)
            at += timedelta(days=rng.expovariate(1 / 4), hours=1)


def visit(rng: Random, at: datetime, customer: str, keenness: float) -> Iterator[tuple[str, ...]]:
    """Yield the rows of one visit."""
    group = rng.choice(sorted(PRICES))
    article = (f"{group[:2].upper()}-{rng.randrange(20):02d}", group)
    price = f"{PRICES[group] * rng.uniform(0.7, 1.3):.2f}".replace(".", ",")

    def row(action: str, *cells: str) -> tuple[str, ...]:
        return (at.strftime("%d.%m.%Y %H:%M:%S"), customer, action, *cells)

    for _ in range(1 + rng.randrange(2 + round(6 * keenness))):
        yield row("view_item", *article, price, "")
        at += timedelta(seconds=rng.randrange(5, 200))
    if rng.random() < keenness * 0.6:
        yield row("add_to_cart", *article, price, "")
        at += timedelta(seconds=rng.randrange(5, 200))
        if rng.random() < 0.3 + keenness / 2:
            yield row("purchase", *article, price, f"B{rng.randrange(10**8):08d}")


def main() -> None:
    """Write the log in the order of time."""
    rows = sorted(visits(Random(1)), key=lambda row: datetime.strptime(row[0], "%d.%m.%Y %H:%M:%S"))  # noqa: DTZ007
    with Path(sys.argv[1]).open("w", encoding="cp1252", newline="") as file:
        writer = csv.writer(file, delimiter=";")
        writer.writerow(COLUMNS)
        writer.writerows(rows)


if __name__ == "__main__":
    main()
