"""Find out why a visitor scored high, by keyboard and by mouse, in the shop that was visited."""

from __future__ import annotations

from itertools import pairwise

import pytest

from support.browsers import check_accessibility, open_page, screenshot
from support.consoles import running_console
from support.visited_shops import BUYER, patient_client, visit, visited_shop


@pytest.mark.slow
def test_somebody_finds_out_why_a_visitor_scored_high(browser, store, tmp_path):
    with visited_shop(store, tmp_path) as shop:
        folders = {"archive": str(shop.archive), "models": str(shop.models)}
        with running_console(shop.server.address, **folders) as console, open_page(browser) as page:
            page.goto(f"{console.url}/")
            page.get_by_role("navigation", name="Pages").get_by_role("link", name="Visitors").press("Enter")
            page.get_by_role("search").get_by_role("textbox").fill(BUYER)
            page.keyboard.press("Enter")
            page.get_by_role("heading", name=f"Visitor {BUYER}").wait_for()
            assert page.get_by_text("The archive is complete").is_visible()

            # From the events: what changed the score most?
            rows = page.locator(".timeline tbody tr")
            assert rows.count() == 11
            shares = [float(rows.nth(place).locator("td").nth(1).inner_text().rstrip(" %")) for place in range(11)]
            changes = [after - before for after, before in pairwise(shares)]
            most = changes.index(max(changes))
            link = rows.nth(most).get_by_role("link")
            number = int(link.inner_text())
            link.press("Enter")
            page.get_by_role("heading", name=f"Why {shares[most]:.1f} % after event {number}").wait_for()
            because = page.locator(".because").inner_text()
            assert because.startswith("Raised most by deepest step in this session: checkout")
            assert page.get_by_text("Checked: the base value and all contributions add up").is_visible()
            changed = page.locator("tr.changed th").all_inner_texts()
            assert "deepest_step" in changed
            page.locator(".u-over").first.wait_for()
            screenshot(page, "visitor")
            page.locator("summary", has_text="From the base value to this score").press("Enter")
            table = page.get_by_role("table", name="From the base value to this score")
            assert table.get_by_role("row").last.inner_text().split()[-2:] == [f"{shares[most]:.1f}", "%"]
            check_accessibility(page)

            # What would they be shown, and why?
            ranked = page.get_by_role("table", name="The items that Rank would show now")
            assert ranked.get_by_role("row").count() > 5
            assert ranked.get_by_text("viewed in session").count()
            page.get_by_role("link", name="Event before").press("Enter")
            page.get_by_role("heading", name=f"after event {number - 1}").first.wait_for()

            # They come back later: the archive does not know that yet.
            with patient_client(shop.server.address) as client:
                visit(client, BUYER, shop.shop, console.console.now())
            page.get_by_role("link", name="Now", exact=True).press("Enter")
            page.get_by_text("The server knows more than the archive.").wait_for()
            assert page.locator("tr.changed").count() > 3
            shop.archive_more()
            page.reload()
            page.get_by_text("The archive is complete").wait_for()
            assert page.locator(".timeline tbody tr").count() == 22
            check_accessibility(page)


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("dark", 1280), ("light", 390), ("light", 320)])
def test_the_page_is_accessible_by_night_and_on_a_phone(browser, store, tmp_path, scheme, width):
    with visited_shop(store, tmp_path, visitors=5) as shop:
        folders = {"archive": str(shop.archive), "models": str(shop.models)}
        with (
            running_console(shop.server.address, **folders) as console,
            open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 844}) as page,
        ):
            for query in ("", "&at=9"):
                page.goto(f"{console.url}/visitors?id=ada%2Fo%27neil%20%3Cb%3E%26amp%3B%3C%2Fb%3E{query}")
                assert page.locator(".timeline tbody tr").count() == 11
                check_accessibility(page)
            page.goto(f"{console.url}/visitors")
            check_accessibility(page)
