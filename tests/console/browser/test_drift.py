"""A journey: an operator sees a planted drift, finds the feature, since when, and what its values look like now."""

from __future__ import annotations

import asyncio
import threading

import pytest

from presage_server.clock import system_clock
from support.browsers import check_accessibility, open_page, screenshot
from support.consoles import running_console
from support.drifting_server import serve_hours, write_bundle_with_baseline

pytestmark = pytest.mark.slow

HOURS, SPOILT = 42, 5


@pytest.fixture
def drifting_console(store, tmp_path):
    """A console of a store with nearly two days of counts, the last five hours without page views."""
    write_bundle_with_baseline(tmp_path)
    served = serve_hours(store.url, tmp_path, hours=HOURS, spoilt_hours=SPOILT, now_unix_micros=system_clock())
    # In a thread of its own: the browser's driver has a loop in this one.
    counting = threading.Thread(target=lambda: asyncio.run(served))
    counting.start()
    counting.join()
    with running_console("127.0.0.1:1", redis_url=store.url, models=str(tmp_path)) as console:
        yield console


def test_an_operator_sees_a_planted_drift(browser_page, drifting_console):
    page = browser_page
    page.goto(f"{drifting_console.url}/")
    page.get_by_role("navigation", name="Pages").get_by_role("link", name="Drift").click()
    page.get_by_role("heading", name="conversion/1 1 alarm").wait_for()
    rows = page.get_by_role("table").get_by_role("row")
    assert rows.nth(1).get_by_role("rowheader").inner_text() == "page_views"
    assert "zeros in 100.0 % of rows" in rows.nth(1).inner_text().lower()
    assert page.get_by_role("img", name=f"of {HOURS} windows with an effect that matters").count() == 22
    check_accessibility(page)
    screenshot(page, "drift")

    page.get_by_role("link", name="page_views").press("Enter")
    page.get_by_role("heading", name="page_views alarm").wait_for()
    assert "it goes on" in page.locator(".notice").first.inner_text()
    page.get_by_text("Table: Share of rows with such a value").press("Enter")
    zero = (
        page.get_by_role("table", name="Share of rows with such a value").get_by_role("row").filter(has_text="100.0 %")
    )
    assert zero.get_by_role("rowheader").inner_text() == "0"
    check_accessibility(page)
    page.get_by_text("Table: Share of rows with such a value").press("Enter")
    page.locator(".plot canvas").wait_for()
    screenshot(page, "drift-feature")

    page.get_by_text("All windows", exact=True).press("Enter")
    windows = page.get_by_role("table", name="The windows of page_views, the newest first").get_by_role("row")
    assert [row.split()[-1] for row in windows.all_inner_texts()[1:]] == ["yes"] * SPOILT + ["no"] * (HOURS - SPOILT)
    windows.last.get_by_role("link").press("Enter")
    page.get_by_text("The window that was chosen").wait_for()
    assert (
        page.get_by_role("table", name="What was tested in these hours").get_by_text("matters", exact=True).count() == 0
    )


@pytest.mark.parametrize(
    ("scheme", "width"), [("dark", 1280), ("light", 390), ("dark", 320)], ids=["dark", "phone", "narrow"]
)
def test_the_pages_are_accessible_in_the_dark_and_on_a_phone(browser, drifting_console, scheme, width):
    with open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 844}) as page:
        for path in ("/drift", "/drift/conversion/1/page_views", "/drift/conversion/1/hour_of_day"):
            page.goto(f"{drifting_console.url}{path}")
            check_accessibility(page)
