from __future__ import annotations

from datetime import UTC, datetime

from presage_console.shop.history import simulate_visits
from presage_console.shop.products import read_shelf
from presage_featurizer import EventType
from presage_training.simulator import create_visitor

DAY = 86_400_000_000
NOW = int(datetime(2027, 5, 6, 7, 8, 9, tzinfo=UTC).timestamp()) * 1_000_000


def test_visits_are_of_our_products_in_order_and_end_within_a_day_before_now():
    shelf = read_shelf()
    events = simulate_visits(shelf, until_unix_micros=NOW, visitors=300, seed=1)
    times = [event.event_time_unix_micros for event in events]
    assert times == sorted(times)
    assert NOW - 2 * DAY < times[-1] < NOW
    assert times[0] > NOW - 23 * DAY
    for event in events:
        for item in event.items:
            product = shelf.products[item.item_id]
            assert (item.category, item.brand) == (product.category, product.brand)
            assert item.price_micros == round(product.price * 1_000_000)
    sessions = {event.session_id for event in events}
    bought = {event.session_id for event in events if event.type == EventType.PURCHASE}
    assert 0.2 < len(bought) / len(sessions) < 0.7


def test_the_same_seed_gives_the_same_visits_at_the_same_hours():
    first = simulate_visits(read_shelf(), until_unix_micros=NOW, visitors=50, seed=1)
    later = simulate_visits(read_shelf(), until_unix_micros=NOW + 5 * DAY + 7, visitors=50, seed=1)
    assert [event.event_id for event in first] == [event.event_id for event in later]
    assert {b.event_time_unix_micros - a.event_time_unix_micros for a, b in zip(first, later, strict=True)} == {5 * DAY}
    other = simulate_visits(read_shelf(), until_unix_micros=NOW, visitors=50, seed=2)
    assert [event.event_id for event in first] != [event.event_id for event in other]


def test_visitors_are_interested_in_what_a_shop_has():
    shelves = ("lamps", "audio", "kitchen", "bags")
    assert all(set(create_visitor(seed=1, index=n, categories=shelves).interests) <= set(shelves) for n in range(50))
