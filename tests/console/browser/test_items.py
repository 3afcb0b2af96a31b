"""The page Items in a browser: an item is found by keyboard, and everything can be read."""

from __future__ import annotations

import pytest

from presage_featurizer import EventType
from presage_featurizer.ranking.items_counter import CatalogueChange
from support.browsers import check_accessibility, open_page, screenshot
from support.consoles import running_console
from support.items import a_follower, an_event, put_change, put_event, run_once
from support.rankings import an_item, item_id, write_ranking_bundle
from support.running_server import server_process

BUSY = (EventType.VIEW_ITEM, EventType.VIEW_ITEM, EventType.ADD_TO_CART, EventType.PURCHASE)
ITEMS = 25


@pytest.fixture
def shop_server(store, tmp_path):
    """A server that ranks, and has counted some items, of which one is out of stock and one blocked."""
    moment, place = store.redis.time()[0] * 1_000 - 5_000, 0
    for number in range(ITEMS):
        for kind in BUSY[: 1 + number % len(BUSY)]:
            place += 1
            put_event(store, an_event("u", an_item(number), kind=kind), f"{moment}-{place}")
    with a_follower(store) as follower:
        run_once(follower)
    put_change(store, CatalogueChange(item_id(3), stock=0), CatalogueChange(item_id(7), blocked=True))
    write_ranking_bundle(tmp_path / "models")
    flags = ("--redis-url", store.url, "--models", str(tmp_path / "models"))
    with server_process(tmp_path / "server.log", *flags) as server:
        yield server


@pytest.mark.slow
def test_an_item_is_found_by_keyboard(browser, shop_server):
    with running_console(shop_server.address) as console, open_page(browser) as page:
        page.set_default_timeout(60_000)
        page.goto(f"{console.url}/items")
        page.get_by_text("out of stock").wait_for()
        check_accessibility(page)
        screenshot(page, "items")
        page.get_by_label("Item", exact=True).fill(item_id(0))
        page.keyboard.press("Enter")
        page.get_by_role("heading", name=f"Item {item_id(0)}").wait_for()
        check_accessibility(page)
        screenshot(page, "item")
        page.set_viewport_size({"width": 320, "height": 800})
        check_accessibility(page)
        page.get_by_role("region", name="What goes with it").get_by_role("link").first.press("Enter")
        page.wait_for_url("**/items?id=*")
