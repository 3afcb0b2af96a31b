"""What a visitor is interested in: categories and items, by what they did with them and how long ago."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from presage_featurizer import MICROS, EventType, State, current_session
from presage_featurizer.digests import WIDTH
from presage_featurizer.habits import interest_now
from presage_featurizer.item_history import growth_factor, history_scores, history_times

__all__ = ["CartLine", "CategoryInterest", "Interests", "ItemInterest", "OpenSession", "interests"]


@dataclass(frozen=True, kw_only=True, slots=True)
class CategoryInterest:
    """Interest in one category."""

    category: str
    weight: float
    """The weights of its events, each halved every 7 days."""
    events: int


@dataclass(frozen=True, kw_only=True, slots=True)
class ItemInterest:
    """Interest in one item."""

    item_id: str | None
    """None if none of the visitor's archived events has it."""
    digest: str
    """What the state knows it by, in hex."""
    weight: float
    """The weights of its events, each halved every 60 days."""
    purchases: int
    other_events: int
    last_unix_micros: int
    """Its last event's time, to four minutes."""


@dataclass(frozen=True, kw_only=True, slots=True)
class CartLine:
    """One product in the cart."""

    item_id: str
    category: str
    brand: str
    price: float
    quantity: int


@dataclass(frozen=True, kw_only=True, slots=True)
class OpenSession:
    """The session that a call without one would use."""

    session_id: str
    start_unix_micros: int
    last_unix_micros: int
    events: tuple[tuple[str, int], ...]
    """How many of each type, the most frequent first."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Interests:
    """What a state says of a visitor at one moment."""

    categories: tuple[CategoryInterest, ...]
    items: tuple[ItemInterest, ...]
    cart: tuple[CartLine, ...]
    session: OpenSession | None
    """None if no session is open at that moment."""


def interests(state: State, now_unix_micros: int, item_names: Mapping[bytes, str]) -> Interests:
    """Read what a state says, the strongest interest first.

    Args:
        state: The visitor's.
        now_unix_micros: The moment: interests fade.
        item_names: Ids by digest, of the items that are known.
    """
    categories = [
        CategoryInterest(category=name, weight=interest_now(interest, now_unix_micros), events=interest.count)
        for name, interest in state.habits.categories.items()
    ]
    return Interests(
        categories=tuple(sorted(categories, key=lambda each: (-each.weight, each.category))),
        items=_items(state, now_unix_micros, item_names),
        cart=tuple(
            CartLine(
                item_id=item_id,
                category=line.category,
                brand=line.brand,
                price=line.price_micros / MICROS,
                quantity=line.quantity,
            )
            for item_id, line in state.cart.items()
        ),
        session=_session(state, now_unix_micros),
    )


def _items(state: State, now_unix_micros: int, item_names: Mapping[bytes, str]) -> tuple[ItemInterest, ...]:
    history = state.items
    growth = growth_factor(now_unix_micros)
    counts = history.counts
    found = []
    for place, (score, seconds) in enumerate(zip(history_scores(history), history_times(history), strict=True)):
        digest = history.digests[place * WIDTH : (place + 1) * WIDTH]
        found.append(
            ItemInterest(
                item_id=item_names.get(digest),
                digest=digest.hex(),
                weight=score / growth,
                purchases=counts[2 * place],
                other_events=counts[2 * place + 1],
                last_unix_micros=seconds * MICROS,
            )
        )
    return tuple(sorted(found, key=lambda each: (-each.weight, each.digest)))


def _session(state: State, now_unix_micros: int) -> OpenSession | None:
    session = current_session(state, now_unix_micros, "")
    if session is None:
        return None
    events = sorted(session.events.items(), key=lambda each: (-each[1], each[0]))
    return OpenSession(
        session_id=session.session_id,
        start_unix_micros=session.start_unix_micros,
        last_unix_micros=session.last_unix_micros,
        events=tuple((EventType(kind).name.lower() if kind in _KINDS else str(kind), count) for kind, count in events),
    )


_KINDS = frozenset(int(kind) for kind in EventType)
