"""Small logs of shops for tests of ranking, in which visitors follow rules that can be learned."""

from __future__ import annotations

import numpy as np

from presage_featurizer import MICROS, Event, EventType, Item, Shown

DAY = 86_400 * MICROS
START = 1_767_225_600 * MICROS


def item(number: int, *, plain: bool = False, shown: Shown | None = None) -> Item:
    """One of the shop's items; a plain one has no category, brand and price."""
    if plain:
        return Item(f"item-{number}", shown=shown)
    return Item(f"item-{number}", f"category-{number % 5}", f"brand-{number % 3}", (1 + number % 7) * MICROS, 1, shown)


def event(kind: EventType, user: int, micros: int, items: tuple[Item, ...], **more: str) -> Event:
    return Event(f"{kind}-{user}-{micros}", kind, f"user-{user}", micros, items=items, **more)


def walks(*, visitors: int = 60, sessions: int = 5, items: int = 40, seed: int = 3, **options: bool) -> list[Event]:
    """Sessions in which the next item is mostly the one after this one."""
    random = np.random.default_rng(seed)
    events = []
    for session in range(sessions):
        for visitor in range(visitors):
            now = START + session * DAY + int(random.integers(DAY // 2))
            number = int(random.integers(items))
            for _ in range(int(random.integers(2, 7))):
                events.append(event(EventType.VIEW_ITEM, visitor, now, (item(number, **options),)))
                now += int(random.integers(1, 120)) * MICROS
                number = (number + 1) % items if random.random() < 0.8 else int(random.integers(items))
    return sorted(events, key=lambda found: found.event_time_unix_micros)


def baskets(*, visitors: int = 50, orders: int = 8, items: int = 60, size: int = 6, seed: int = 3) -> list[Event]:
    """Orders of visitors who mostly buy the same things again."""
    random = np.random.default_rng(seed)
    favourites = [random.choice(items, size, replace=False) for _ in range(visitors)]
    events = []
    for order in range(orders):
        for visitor in range(visitors):
            now = START + 7 * order * DAY + int(random.integers(DAY))
            bought = np.where(random.random(size) < 0.7, favourites[visitor], random.integers(items, size=size))
            events.append(
                event(EventType.PURCHASE, visitor, now, tuple(item(int(one), plain=True) for one in np.unique(bought)))
            )
    return sorted(events, key=lambda found: found.event_time_unix_micros)


def lists(
    *,
    visitors: int = 60,
    shows: int = 6,
    items: int = 40,
    length: int = 8,
    seed: int = 3,
    taken_by: EventType = EventType.VIEW_ITEM,
) -> list[Event]:
    """Lists of which visitors mostly click the items of their favourite category."""
    random = np.random.default_rng(seed)
    events = []
    for show in range(shows):
        for visitor in range(visitors):
            now = START + show * DAY + int(random.integers(DAY // 2))
            numbers = random.choice(items, length, replace=False).tolist()
            rank_id = f"rank-{show}-{visitor}"
            shown = tuple(item(one, shown=Shown(place, rank_id)) for place, one in enumerate(numbers, start=1))
            events.append(event(EventType.VIEW_ITEM_LIST, visitor, now, shown))
            liked = [one for one in numbers if one % 5 == visitor % 5] or numbers[:1]
            clicked = liked[0] if random.random() < 0.8 else numbers[int(random.integers(length))]
            events.append(event(taken_by, visitor, now + 5 * MICROS, (item(clicked),)))
    return sorted(events, key=lambda found: found.event_time_unix_micros)
