"""A server whose shop was visited, with the archive of what happened: what the console shows of visitors."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from presage_client import Client, ClientOptions, Event, EventType, Item
from presage_client.types import Device
from presage_featurizer import MICROS
from presage_server.settings import shipped_models
from presage_training.simulator import Shop, simulate
from presage_training.traffic.ranking_tour import load_catalogue
from presage_training.traffic.sending import client_event
from support.archives import archive_once, logged_vectors
from support.running_server import GENEROUS_SECONDS, PATIENT, ServerProcess, server_process
from support.stores import LocalStore

__all__ = ["BUYER", "VisitedShop", "patient_client", "visit", "visited_shop"]

BUYER = "ada/o'neil <b>&amp;</b>"
"""Looks at a few products, compares two, and begins a checkout; the id has what HTML and addresses give a meaning to."""
_DAY_MICROS = 86_400 * MICROS
_MINUTE_MICROS = 60 * MICROS
_DAYS = 2


@dataclass(frozen=True, kw_only=True, slots=True)
class VisitedShop:
    """A server, and what is beside it."""

    server: ServerProcess
    archive: Path
    models: Path
    store: LocalStore
    shop: Shop

    def archive_more(self) -> None:
        """Archive what happened since."""
        archive_once(self.store, self.archive)


@contextmanager
def visited_shop(store: LocalStore, folder: Path, *, visitors: int = 30) -> Iterator[VisitedShop]:
    """Run a server that ships, have simulated visitors and BUYER visit it, and archive that."""
    flags = (
        "--redis-url",
        store.url,
        "--sample-vectors-share",
        "1",
        "--follow-items",
        "--item-bucket-seconds",
        "1",
        *PATIENT,
    )
    shop = Shop.create(seed=5, products_per_category=6)
    now = time.time_ns() // 1_000
    begun = now - _DAYS * _DAY_MICROS
    with server_process(folder / "server.log", *flags) as server:
        load_catalogue(server.address, shop, first_seen_unix_micros=begun - 30 * _DAY_MICROS)
        crowd = simulate(seed=5, visitors=visitors, start_unix_micros=begun, days=_DAYS, shop=shop)
        with patient_client(server.address) as client:
            outcomes = client.track_many(client_event(event) for event in crowd if event.event_time_unix_micros < now)
            assert all(outcome.error is None for outcome in outcomes)
            scores = visit(client, BUYER, shop, now)
        deadline = time.monotonic() + GENEROUS_SECONDS
        while len(logged_vectors(store.redis)) < scores and time.monotonic() < deadline:
            time.sleep(0.02)
        visited = VisitedShop(
            server=server, archive=folder / "archive", models=shipped_models(), store=store, shop=shop
        )
        visited.archive_more()
        yield visited


def patient_client(address: str) -> Client:
    """Connect to a server on a machine that may be busy."""
    return Client(address, options=ClientOptions(timeout_ms=1_000 * GENEROUS_SECONDS))


def visit(client: Client, user_id: str, shop: Shop, until_unix_micros: int) -> int:
    """Have somebody shop until a moment, and score them after each event; return how many events that were."""
    phones, audio = shop.products["phones"], shop.products["audio"]
    steps = [
        (EventType.PAGE_VIEW, ()),
        (EventType.SEARCH, ()),
        (EventType.VIEW_ITEM, phones[:1]),
        (EventType.VIEW_ITEM, phones[1:2]),
        (EventType.VIEW_ITEM, audio[:1]),
        (EventType.VIEW_ITEM, phones[:1]),
        (EventType.ADD_TO_CART, phones[:1]),
        (EventType.VIEW_ITEM, audio[1:2]),
        (EventType.ADD_TO_CART, audio[1:2]),
        (EventType.VIEW_CART, ()),
        (EventType.BEGIN_CHECKOUT, ()),
    ]
    for place, (kind, products) in enumerate(steps):
        items = [
            Item(
                item_id=product.item.item_id,
                category=product.item.category,
                brand=product.item.brand,
                price=product.item.price_micros / MICROS,
            )
            for product in products
        ]
        event_time = until_unix_micros - (len(steps) - place) * _MINUTE_MICROS
        labels = {"term": "phone <script>alert(1)</script>"} if kind == EventType.SEARCH else {}
        event = Event(
            type=kind, user_id=user_id, items=items, event_time_unix_micros=event_time,
            country="DE", device=Device.MOBILE, labels=labels,
        )  # fmt: skip
        client.track(event, score=True)
    return len(steps)
