"""Journeys in the demo shop."""

from __future__ import annotations

import shutil
import time

import msgspec
import pytest

from presage_export.registry import Verdict, append_verdict, read_aliases, replace_aliases
from presage_server.settings import shipped_models
from presage_training.learning.state import LearnState, write_state
from support.browsers import check_accessibility, open_page, screenshot
from support.consoles import running_console
from support.running_server import GENEROUS_SECONDS

pytestmark = [pytest.mark.slow, pytest.mark.xdist_group("shop")]


def score_of(page):
    return float(page.locator(".score-now strong").inner_text().split()[0])


def places_of(page):
    return page.locator(".product-name").all_inner_texts()


def click(page, press):
    """Do something, and wait for the one answer that swaps the shop."""
    sent = []
    page.on("request", lambda request: sent.append(request) if request.method == "POST" else None)
    before = page.locator("#clicks [name=request]").get_attribute("value")
    press()
    page.wait_for_function("before => document.querySelector('#clicks [name=request]').value !== before", arg=before)
    assert len(sent) == 1, "one click is one request"


def test_a_visit_changes_the_score_and_the_ranking(browser_page, shop_address):
    page = browser_page
    with running_console(shop_address, shop=True) as console:
        page.goto(f"{console.url}/shop")
        begun, first = score_of(page), places_of(page)
        assert len(first) == 12
        check_accessibility(page)

        tower = page.get_by_role("searchbox", name="Search")
        tower.fill("tower speaker")
        click(page, lambda: tower.press("Enter"))
        assert places_of(page) == ["Tower speaker"]
        click(page, lambda: page.get_by_role("button", name="Tower speaker", exact=True).press("Enter"))
        assert page.evaluate("document.activeElement.id") == "looking-title"
        assert score_of(page) < begun, "dear products are bought less"
        click(page, lambda: page.get_by_role("button", name="Audio", exact=True).press("Enter"))
        shown = places_of(page)
        assert shown != first

        budget = page.get_by_label("Budget in euros")
        budget.fill("60")
        click(page, lambda: budget.press("Enter"))
        assert places_of(page) != shown
        assert page.get_by_text("Within your budget, unlike the").count() > 0

        low = score_of(page)
        page.get_by_role("button", name="Puck speaker", exact=True).first.press("Enter")
        page.get_by_role("heading", name="Puck speaker").wait_for()
        page.keyboard.press("Tab")
        click(page, lambda: page.keyboard.press("Enter"))
        assert page.locator(".cart").get_by_text("Puck speaker").first.is_visible()
        assert score_of(page) > 2 * low
        assert page.get_by_role("heading", name="What this click changed").is_visible()
        check_accessibility(page)
        screenshot(page, "shop")

        click(page, lambda: page.get_by_role("button", name="Go to the checkout").press("Enter"))
        assert score_of(page) > 50.0
        click(page, lambda: page.get_by_role("button", name="Pay").press("Enter"))
        assert page.get_by_text("Thank you: order 1 is paid.").is_visible()
        assert page.evaluate("document.activeElement.id") == "score-title", "the button that paid is gone"


@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 320)], ids=["dark", "phone"])
def test_the_shop_has_no_serious_problem_of_accessibility(browser, shop_address, scheme, width):
    with (
        running_console(shop_address, shop=True) as console,
        open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 800}) as page,
    ):
        page.goto(f"{console.url}/shop")
        click(page, page.locator(".product-look").first.click)
        click(page, page.locator(".looking .buttons .button").click)
        page.get_by_role("button", name="Knows what they want").click()
        page.get_by_text("bought", exact=True).wait_for(timeout=GENEROUS_SECONDS * 2_000)
        check_accessibility(page)


def test_it_says_without_reloading_that_another_model_serves(browser_page, shop_address, tmp_path):
    page, models = browser_page, tmp_path / "models"
    shutil.copytree(shipped_models(), models)
    folder = models / "conversion"
    aliases = msgspec.structs.replace(read_aliases(folder), champion="3")
    replace_aliases(folder, aliases, now_unix_micros=time.time_ns() // 1_000, changed_by="a test", reason="pinned")
    write_state(folder, LearnState(purchases=230))
    with running_console(shop_address, shop=True, models=str(models)) as console:
        page.goto(f"{console.url}/shop")
        page.get_by_text("one that learns in this shop is on its way").wait_for()
        page.evaluate("window.marked = true")

        now = time.time_ns() // 1_000
        append_verdict(
            folder, Verdict(decided_at_unix_micros=now, version="5", verdict="challenger", reason="", purchases=214)
        )
        shutil.copytree(folder / "3", folder / "5")
        swapped = msgspec.structs.replace(read_aliases(folder), champion="5")
        replace_aliases(folder, swapped, now_unix_micros=now, changed_by="a test", reason="better")

        clock = time.strftime("%H:%M:%S", time.gmtime(now // 1_000_000))
        said = f"The model has learned from 214 purchases; version 5 has served since {clock} UTC."
        page.get_by_text(said).wait_for()
        assert page.evaluate("window.marked")
