"""The page Items of a real server: what is popular, what is in stock, what goes together."""

from __future__ import annotations

import pytest

from presage_console.formats import NO_VALUE
from presage_featurizer import EventType, Item
from presage_featurizer.ranking.items_counter import CatalogueChange
from support.consoles import console_of, text_of
from support.items import a_follower, an_event, put_change, put_event, run_once
from support.rankings import item_id, write_ranking_bundle
from support.running_server import serving

MARKUP = "<b>&\"'"


@pytest.fixture(scope="module")
def ranking_models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("ranking-models")
    write_ranking_bundle(directory)
    return directory


@pytest.fixture
async def pages_of_shop(store, ranking_models):
    """A console of a server whose items were looked at a while ago, and counted."""
    moment = store.redis.time()[0] * 1_000 - 5_000
    seen = [item_id(0)] * 3 + [item_id(1), MARKUP]
    for place, name in enumerate(seen):
        event = an_event("u", Item(name, category="light", price_micros=9_500_000), kind=EventType.VIEW_ITEM)
        put_event(store, event, f"{moment}-{place + 1}")
    with a_follower(store) as follower:
        run_once(follower)
    put_change(store, CatalogueChange(item_id(1), stock=7), CatalogueChange(MARKUP, stock=0))
    async with (
        serving(redis_url=store.url, models=ranking_models) as server,
        console_of(server.address) as console,
    ):
        yield console


async def test_popular_items_come_with_counts_prices_and_links(pages_of_shop):
    answer = await pages_of_shop.get("/items")
    shown = text_of(answer.text)
    assert f"1 {item_id(0)} light {NO_VALUE} 9.50 {NO_VALUE} 3 0 0 0" in shown
    assert f"{item_id(1)} light {NO_VALUE} 9.50 7 1" in shown
    assert "out of stock" in shown
    assert "Events of 3 items are counted up to" in shown
    assert f'href="/items?id={item_id(0)}"' in answer.text


async def test_an_item_s_page_has_what_goes_with_it_and_where_that_comes_from(pages_of_shop):
    answer = await pages_of_shop.get("/items", params={"id": item_id(0)})
    shown = text_of(answer.text)
    assert f"Item {item_id(0)}" in shown
    assert "The similar items that every visitor gets" in shown
    assert f"{item_id(1)} same category, about the same price" in shown
    assert "From the tables of" in shown


async def test_an_id_with_markup_is_text(pages_of_shop):
    for answer in (await pages_of_shop.get("/items"), await pages_of_shop.get("/items", params={"id": MARKUP})):
        assert answer.status_code == 200
        assert MARKUP not in answer.text
        assert "&lt;b&gt;&amp;" in answer.text
    assert "/items?id=%3Cb%3E%26%22%27" in (await pages_of_shop.get("/items")).text


async def test_an_item_that_nobody_knows_is_said_to_be_unknown(pages_of_shop):
    answer = await pages_of_shop.get("/items", params={"id": "nobody-knows"})
    assert answer.status_code == 200
    assert "Nothing is known of this item" in text_of(answer.text)


async def test_a_server_without_a_ranking_model_says_what_is_missing(pages):
    assert "No items yet." in text_of((await pages.get("/items")).text)
    shown = text_of((await pages.get("/items?id=lamp")).text)
    assert "no model that ranks items" in shown


async def test_an_id_that_is_too_long_is_rejected(pages):
    answer = await pages.get("/items", params={"id": "x" * 257})
    assert answer.status_code == 400
    assert "id: expected at most 256 bytes" in text_of(answer.text)
