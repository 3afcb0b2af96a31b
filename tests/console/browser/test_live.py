"""The page Live in a browser: new figures come by themselves, and go on when the server was away."""

from __future__ import annotations

import grpc
import pytest
from playwright.sync_api import expect

from presage.v1 import scoring_service_pb2, scoring_service_pb2_grpc
from support.browsers import check_accessibility, open_page, screenshot, takes_screenshots
from support.running_server import an_event

PATIENT_MILLIS = 60_000


def be_busy(address: str, *, visitors: int = 60) -> None:
    """Have a server score visitors, half of whom it knows."""
    with grpc.insecure_channel(address) as channel:
        stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        for number in range(visitors):
            if number % 2:
                request = scoring_service_pb2.TrackEventRequest(event=an_event(f"visitor-{number}"))
                stub.TrackEvent(request, timeout=PATIENT_MILLIS / 1e3)
            stub.Score(scoring_service_pb2.ScoreRequest(user_id=f"visitor-{number}"), timeout=PATIENT_MILLIS / 1e3)


@pytest.mark.slow
def test_new_figures_are_pushed_into_the_open_page(browser_page, console_server, served_process):
    page = browser_page
    page.set_default_timeout(PATIENT_MILLIS)
    page.goto(f"{console_server.url}/live")
    page.get_by_text("since the start").first.wait_for()
    figures = page.locator(".stats").first
    be_busy(served_process.address)
    page.get_by_role("link", name="TrackEvent").wait_for()
    page.get_by_text("last 10 s").wait_for()
    assert page.locator("figure:has-text('Calls') .u-wrap").count() == 1, "drawn by the script"
    page.locator("figure", has_text="Where the time goes").get_by_text("Table").click()
    table = page.get_by_role("table", name="Where the time goes, last minute")
    table.wait_for()
    shown = figures.inner_text()
    be_busy(served_process.address)
    expect(figures).not_to_have_text(shown, use_inner_text=True, timeout=PATIENT_MILLIS)
    assert table.is_visible(), "a table that was opened stays open with new figures"
    check_accessibility(page)
    if takes_screenshots():
        page.locator("figure", has_text="Where the time goes").get_by_text("Table").click()
        for number in range(20):
            be_busy(served_process.address, visitors=60 + 40 * (number % 4))
            page.wait_for_timeout(2_000)
    screenshot(page, "live")


@pytest.mark.slow
def test_the_page_says_when_the_server_is_away(browser, console_server, served_process):
    with open_page(browser, viewport={"width": 390, "height": 800}, color_scheme="dark") as page:
        page.set_default_timeout(PATIENT_MILLIS)
        page.goto(f"{console_server.url}/live")
        page.get_by_text("The server answers").wait_for()
        served_process.end()
        page.get_by_role("status").get_by_text("cannot be read").wait_for()
        page.get_by_text("What follows is from").wait_for()
        check_accessibility(page)
