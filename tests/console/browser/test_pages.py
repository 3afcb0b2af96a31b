from __future__ import annotations

import pytest

from support.browsers import check_accessibility, open_page, screenshot
from support.consoles import OWN_TOKEN

PAGES = ("/", "/live", "/models", "/visitors", "/drift", "/items", "/sign-in", "/nowhere")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 1280), ("light", 320)], ids=["light", "dark", "phone"]
)
def test_no_page_has_a_serious_problem_of_accessibility(browser, console_server, scheme, width):
    with open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        for path in PAGES:
            page.goto(f"{console_server.url}{path}")
            check_accessibility(page)


@pytest.mark.slow
def test_somebody_signs_in_by_keyboard_and_chooses_a_theme(browser_page, console_server):
    page = browser_page
    page.goto(f"{console_server.url}/")
    screenshot(page, "home")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.textContent") == "Skip to the content"
    page.get_by_role("button", name="Theme: auto").press("Enter")
    page.get_by_role("button", name="Theme: light").press("Enter")
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    page.get_by_role("link", name="Sign in").press("Enter")
    page.get_by_label("Your name").fill("Ada <b>")
    page.get_by_label("Token").fill(OWN_TOKEN)
    page.keyboard.press("Enter")
    page.get_by_role("button", name="Sign out").wait_for()
    assert page.evaluate("document.documentElement.dataset.theme") == "dark"
    assert page.locator(".who .name").inner_text() == "Ada <b>"
    check_accessibility(page)
