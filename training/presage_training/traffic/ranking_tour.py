"""One visitor whose ranking changes with what they do: a few events and lists, sent to a running server."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from itertools import combinations

from presage_client import (
    CatalogueItem,
    Client,
    ClientOptions,
    Event,
    EventType,
    Exclusion,
    Item,
    PresageError,
    RankContext,
    Ranking,
)
from presage_featurizer import MICROS
from presage_training.errors import TrainingError
from presage_training.simulator import Product, Shop

__all__ = ["TourStep", "load_catalogue", "tour"]

_TIMEOUT_MS = 2_000
_NEW_TO_THEM = RankContext(exclude=(Exclusion.SESSION, Exclusion.CART))


@dataclass(frozen=True, kw_only=True, slots=True)
class TourStep:
    """One list, and what happened before it."""

    happened: str
    """For people, such as ``looked at shoes-001``."""
    ranking: Ranking


def load_catalogue(target: str, shop: Shop, *, first_seen_unix_micros: int) -> None:
    """Tell a server of all products of a shop, and since when they have been there.

    Raises:
        TrainingError: A call failed, or a product was rejected.
    """
    with _client(target) as client:
        items = [
            CatalogueItem(
                item_id=product.item.item_id,
                price=product.item.price_micros / MICROS,
                category=product.item.category,
                brand=product.item.brand,
                first_seen_unix_micros=first_seen_unix_micros,
            )
            for product in shop.by_id.values()
        ]
        for outcome in client.upsert_items(items):
            if outcome.error is not None:
                raise outcome.error


def tour(
    target: str, shop: Shop, *, user_id: str, category: str, k: int, wait: Callable[[], None], patience: int
) -> list[TourStep]:
    """Rank for a new visitor, have them look at two products of a brand, pick one of the next list, and put it into the cart.

    Every list is tracked as shown.

    Args:
        target: The server, host:port.
        shop: Whose products the server knows.
        user_id: A visitor without any history.
        category: What the visitor comes for.
        k: Places of a list.
        wait: Called between attempts to get a full list: there is none as long as the server has counted no products.
        patience: How many attempts there are after the first.

    Returns:
        A step for each list: before any event, then after each of the three things that the visitor does.

    Raises:
        TrainingError: A call failed, or no list came.
    """
    steps: list[TourStep] = []
    with _client(target) as client:

        def track(event_type: EventType, item: Item) -> None:
            client.track(Event(type=event_type, user_id=user_id, items=[item]))

        def show(happened: str) -> Ranking:
            ranking = client.rank(user_id, k=k, context=_NEW_TO_THEM)
            for _ in range(patience):
                if len(ranking.items) == k:
                    break
                wait()
                ranking = client.rank(user_id, k=k, context=_NEW_TO_THEM)
            if not ranking.items:
                raise TrainingError(f"no list for {user_id!r}: the server counted no products in time")
            client.track(ranking.impression(user_id))
            steps.append(TourStep(happened=happened, ranking=ranking))
            return ranking

        show("is new")
        first, second = _alike(shop, category)
        for product in (first, second):
            track(EventType.VIEW_ITEM, _item(product))
        ranking = show(f"looked at {first.item.item_id} and {second.item.item_id}")
        picked = ranking.items[0].item_id
        track(EventType.SELECT_ITEM, ranking.item(picked))
        track(EventType.VIEW_ITEM, _item(shop.by_id[picked]))
        show(f"picked {picked} from that list")
        track(EventType.ADD_TO_CART, _item(shop.by_id[picked]))
        client.track(Event(type=EventType.VIEW_CART, user_id=user_id))
        show("put it into the cart")
    return steps


@contextmanager
def _client(target: str) -> Iterator[Client]:
    with Client(target, options=ClientOptions(timeout_ms=_TIMEOUT_MS)) as client:
        try:
            yield client
        except PresageError as error:
            raise TrainingError(f"a call failed: {error}") from error


def _alike(shop: Shop, category: str) -> tuple[Product, Product]:
    """Return the two products of one brand whose prices are nearest."""
    pairs = combinations(shop.products[category], 2)
    return min(
        (pair for pair in pairs if pair[0].item.brand == pair[1].item.brand),
        key=lambda pair: abs(pair[0].relative_price - pair[1].relative_price),
    )


def _item(product: Product) -> Item:
    item = product.item
    return Item(item_id=item.item_id, category=item.category, brand=item.brand, price=item.price_micros / MICROS)
