from __future__ import annotations

import re
from html import unescape

import pytest

from support.consoles import console_of, text_of

pytestmark = pytest.mark.xdist_group("shop")

SWAPPED = {"hx-request": "true"}


@pytest.fixture
async def shop(shop_address):
    async with console_of(shop_address, shop=True) as console:
        yield console


def page_id(page):
    return re.search(r'name="request" value="([0-9a-f]+)"', page)[1]


def percent(page):
    return float(re.search(r"<strong>([\d.]+)<span", page)[1])


async def test_a_click_swaps_the_score_the_reasons_and_the_list(shop):
    first = await shop.get("/shop")
    assert first.status_code == 200
    assert "Nothing here exists, but every click is a real event" in first.text
    assert first.headers["set-cookie"].lower().count("httponly; path=/shop; samesite=lax") == 1
    answer = await shop.post("/shop/click", {"request": page_id(first.text), "do": "add:lamp-dune"}, headers=SWAPPED)
    assert answer.status_code == 200
    assert "<html" not in answer.text
    assert answer.text.lstrip().startswith('<div id="shop"')
    assert percent(answer.text) > percent(first.text)
    said = text_of(answer.text)
    assert "1 addition to the cart in this session" in said
    assert "you put the Dune table lamp into the cart" in said
    again = await shop.get("/shop")
    assert percent(again.text) == percent(answer.text)
    assert "set-cookie" not in again.headers


async def test_the_shop_works_without_scripts_and_somebody_new_can_come(shop):
    first = await shop.get("/shop")
    answer = await shop.post("/shop/click", {"request": page_id(first.text), "do": "look:audio-hush"})
    assert (answer.status_code, answer.headers["location"]) == (303, "/shop")
    assert "Quiets trains and neighbours" in (await shop.get("/shop")).text
    before = shop.client.cookies["presage_shop"]
    assert (await shop.post("/shop/leave", {})).status_code == 303
    assert "Quiets trains and neighbours" not in (await shop.get("/shop")).text
    assert shop.client.cookies["presage_shop"] != before


async def test_nobody_can_click_as_a_visitor_of_another_site(shop):
    shop.client.cookies.set("presage_shop", "ada", domain="127.0.0.1", path="/shop")
    answer = await shop.post("/shop/click", {"request": "0" * 16, "do": "add:lamp-dune"}, headers=SWAPPED)
    assert answer.status_code == 200
    assert re.search(r"presage_shop=shop-[0-9a-f]+;", answer.headers["set-cookie"])
    found = await shop.console.server.client.features("ada")
    assert found.cold_start


async def test_words_that_are_searched_for_are_text(shop):
    first = await shop.get("/shop")
    markup = "<img src=x onerror=alert(1)>"
    answer = await shop.post(
        "/shop/click", {"request": page_id(first.text), "do": "search", "text": markup}, headers=SWAPPED
    )
    assert markup not in answer.text
    assert markup in unescape(answer.text)


async def test_clicks_and_personas_that_no_page_has_are_errors_in_words(shop):
    await shop.get("/shop")
    answer = await shop.post("/shop/click", {"request": "x", "do": "pay"}, headers=SWAPPED)
    assert answer.status_code == 400
    assert "open the shop again" in answer.text
    assert (await shop.post("/shop/personas", {"persona": "thief"})).status_code == 400
    other_site = {"sec-fetch-site": "cross-site"}
    for path in ("/shop/click", "/shop/personas", "/shop/leave"):
        assert (await shop.post(path, {}, headers=other_site)).status_code == 403


async def test_a_persona_is_shown_moving(shop):
    await shop.get("/shop")
    answer = await shop.post("/shop/personas", {"persona": "window-shopper"}, headers=SWAPPED)
    assert "Window shopper" in text_of(answer.text)
    assert (await shop.post("/shop/personas", {"persona": "knows-what"})).status_code == 303
    assert "Knows what they want" in text_of((await shop.get("/shop")).text)
    await shop.client._transport.app.state.shop.close()


async def test_pictures_may_be_kept_and_are_no_others(shop):
    picture = await shop.get("/shop/pictures/lamp-dune")
    assert picture.headers["content-type"] == "image/svg+xml"
    assert "max-age" in picture.headers["cache-control"]
    assert (await shop.get("/shop/pictures/yacht")).status_code == 404


async def test_there_is_no_shop_unless_it_is_asked_for(shop_address):
    async with console_of(shop_address) as console:
        assert (await console.get("/shop")).status_code == 404
