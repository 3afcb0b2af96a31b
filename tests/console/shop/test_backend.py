from __future__ import annotations

import asyncio

import pytest

from presage_client import AsyncClient, ClientOptions
from presage_console.errors import RequestError
from presage_console.shop.backend import LIST_LENGTH
from presage_console.shop.clicks import parse_click
from presage_console.shop.crowd import Crowd
from presage_console.shop.personas import PERSONAS
from presage_console.shop.products import read_shelf
from presage_console.shop.storefront import Storefront, new_id
from presage_console.shop.views import make_view
from support.running_server import GENEROUS_SECONDS

pytestmark = pytest.mark.xdist_group("shop")

SHELF = read_shelf()


class Walk:
    """One visitor's clicks."""

    def __init__(self, storefront, visit):
        self.storefront, self.visit = storefront, visit

    async def click(self, do, text="", page=""):
        form = {"request": page or new_id(), "do": do, "text": text}
        shown = await self.storefront.click(self.visit, parse_click(form, SHELF))
        return make_view(self.visit, shown, SHELF, request_id=new_id())

    async def show(self):
        return make_view(self.visit, await self.storefront.show(self.visit), SHELF, request_id=new_id())


@pytest.fixture
async def walk(presage):
    storefront = Storefront(presage, SHELF)
    return Walk(storefront, await storefront.enter())


async def test_each_click_moves_the_score_the_reasons_and_the_list(walk):
    first = await walk.click("open")
    assert first.is_ranked
    assert len(first.cards) == LIST_LENGTH
    assert first.score.moved == ""
    looked = await walk.click("look:audio-tower")
    assert looked.score.direction == "down", "dear products are bought less"
    assert [card.product.category for card in looked.cards].count("audio") > 4
    assert any(card.moved for card in looked.cards) or any(card.is_new for card in looked.cards)
    assert any("product view" in reason.text for reason in (*looked.changes, *looked.reasons))
    wished = await walk.click("wish:audio-tower")
    assert wished.score.direction == "up"
    assert wished.changes[0].text == "1 addition to the wish list in this session"
    added = await walk.click("add:audio-loaf")
    assert added.intent == "about to buy"
    assert "audio-loaf" not in {card.product.item_id for card in added.cards}, "it is in the cart"
    checked = await walk.click("check-out")
    scores = walk.visit.scores
    assert scores == sorted(scores[:2], reverse=True) + sorted(scores[2:])
    assert checked.total == "€79"
    paid = await walk.click("pay")
    assert paid.visit.orders == 1


async def test_a_budget_puts_cheaper_products_ahead_of_what_it_has_no_room_for(walk):
    view = await walk.click("look:audio-tower")
    async with asyncio.timeout(GENEROUS_SECONDS):
        while not any("same category" in card.why for card in view.cards):
            await asyncio.sleep(0.1)
            view = await walk.show()
    assert len(view.similar) == 4
    view = await walk.click("budget", "60")
    instead = [card for card in view.cards if card.instead]
    assert instead
    for card in instead:
        dear = next(other for other in view.cards if other.product.name == card.instead)
        assert card.product.price <= 60 < dear.product.price
        assert card.place < dear.place
        assert card.product.category == dear.product.category
        assert dear.above_budget
    spent = await walk.click("add:audio-puck")
    assert spent.left == "€35.10"
    free = await walk.click("budget", "")
    assert not any(card.instead or card.above_budget for card in free.cards)


async def test_a_click_that_comes_twice_counts_once(walk, presage):
    page = new_id()
    await walk.click("add:lamp-dune", page=page)
    scores = list(walk.visit.scores)
    again = await walk.click("add:lamp-dune", page=page)
    assert walk.visit.cart["lamp-dune"].quantity == 1
    assert walk.visit.scores == scores
    features = await presage.features(walk.visit.visitor_id)
    assert features["add_to_cart_events"] == 1.0
    assert again.total == "€19.90"


async def test_what_was_shown_is_tracked_when_the_visitor_goes_on(walk, presage):
    await walk.click("open")
    before = await presage.features(walk.visit.visitor_id, feature_set="core")
    assert before["event_count"] == 1.0
    await walk.click("look:lamp-bean")
    after = await presage.features(walk.visit.visitor_id, feature_set="core")
    # The list, the choice from it if it was there, and the look.
    assert after["event_count"] in {3.0, 4.0}
    assert after["product_views"] == 1.0


async def test_searches_rank_what_they_found_and_empty_ones_nothing(walk):
    view = await walk.click("search", "kettle")
    assert {card.product.item_id for card in view.cards} == {"kitchen-whistle", "kitchen-glide"}
    assert view.is_ranked
    view = await walk.click("search", "<b>yacht</b>")
    assert not view.cards


async def test_the_shop_goes_on_without_presage(walk):
    async with AsyncClient("127.0.0.1:1", options=ClientOptions(timeout_ms=200)) as nobody:
        lonely = Storefront(nobody, SHELF)
        view = await Walk(lonely, lonely.visits.begin()).click("add:lamp-dune")
    assert view.score is None
    assert not view.is_ranked
    assert len(view.cards) == LIST_LENGTH
    assert view.total == "€19.90"


async def test_personas_shop_to_their_end_each_as_a_visitor_of_their_own(presage):
    crowd = Crowd(Storefront(presage, SHELF), seed=1, pace=0.0)
    visits = [await crowd.start(persona) for persona in PERSONAS.values()]
    await asyncio.wait_for(crowd.wait(), 60)
    assert len({visit.visit.visitor_id for visit in visits}) == len(PERSONAS)
    states = {visit.persona.name: visit.state for visit in visits}
    assert states["knows-what"] == states["gift-shopper"] == "bought"
    assert states["window-shopper"] == "left"
    knows = next(visit.visit for visit in visits if visit.persona.name == "knows-what")
    window = next(visit.visit for visit in visits if visit.persona.name == "window-shopper")
    assert max(knows.scores) > 3 * max(window.scores)
    assert len(crowd.visits) == len(PERSONAS)


async def test_only_a_few_shop_at_a_time(presage):
    crowd = Crowd(Storefront(presage, SHELF), seed=1, pace=1_000.0)
    for _ in range(6):
        await crowd.start(PERSONAS["knows-what"])
    with pytest.raises(RequestError, match="wait until one leaves"):
        await crowd.start(PERSONAS["knows-what"])
    await crowd.close()


async def test_only_a_few_shop_at_a_time_that_came_while_the_shop_was_opened(presage):
    crowd = Crowd(Storefront(presage, SHELF), seed=1, pace=1_000.0)
    started = await asyncio.gather(*(crowd.start(PERSONAS["knows-what"]) for _ in range(10)), return_exceptions=True)
    assert sum(isinstance(one, RequestError) for one in started) == 4
    await crowd.close()
