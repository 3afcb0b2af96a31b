"""What only a browser can show: pushes, the policy at work, and pages without scripts."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from jinja2 import ChoiceLoader, DictLoader
from starlette.routing import Route

from presage_console.charts import Chart, Marker, Series
from presage_console.errors import SourceError
from presage_console.push import stream
from presage_console.rendering import fragment, render
from support.browsers import check_accessibility, open_page
from support.consoles import NOWHERE, running_console

PAGE = """
{% extends "base.html" %}
{% block title %}Pushed{% endblock %}
{% block main %}<h1>Pushed</h1><div id="pushed" hx-sse:connect="/pushed/events" hx-swap="innerMorph" aria-live="polite">
{% include "pushed.html" %}</div>{% endblock %}
"""
PUSHED = """
{% from "macros.html" import chart %}<p id="count">{{ count }} &amp; {{ visitor }}</p>
{% for one in charts %}<section class="panel">{{ chart(one) }}</section>{% endfor %}
"""
VISITOR = "<img src=x onerror=document.title=1>"


def charts(count):
    """One chart of each kind."""
    series = [
        Series(name="served", values=(0.2, 0.5, count / 100), unit="%"),
        Series(name="base", values=(0.3, None, 0.2), unit="%"),
    ]
    for kind in ("lines", "steps", "bars", "rows"):
        yield Chart(
            title=f"As {kind}", x_name="x", x=(1, 2, 3), series=series, kind=kind, markers=[Marker(at=2, label="1 ms")]
        )
    yield Chart(title="Why", x_name="feature", x=(VISITOR, "b", "c"), series=series[:1], kind="waterfall", start=0.1)


class Pushing:
    """A page that is pushed, and fails in between."""

    def __init__(self) -> None:
        self.count = 0
        self.is_failing = False

    def routes(self):
        return [Route("/pushed", self.show), Route("/pushed/events", self.events)]

    def context(self):
        return {"count": self.count, "visitor": VISITOR, "charts": list(charts(self.count))}

    async def show(self, request):
        return render(request, "pushed_page.html", **self.context())

    async def events(self, request):
        async def produce():
            if self.is_failing:
                raise SourceError("the metrics are gone")
            self.count += 1
            return fragment(request, "pushed.html", **self.context())

        return stream(request, produce, every_seconds=0.3)


@pytest.fixture
def pushing():
    return Pushing()


@pytest.fixture
def console(pushing):
    with running_console(NOWHERE, routes=pushing.routes()) as running:
        templates = running.app.state.templates
        templates.loader = ChoiceLoader(
            [DictLoader({"pushed_page.html": PAGE, "pushed.html": PUSHED}), templates.loader]
        )
        yield running


def test_what_is_pushed_is_swapped_in_and_what_the_reader_opened_stays_open(browser_page, console, pushing):
    page = browser_page
    page.goto(f"{console.url}/pushed")
    page.locator("canvas").nth(1).wait_for()
    page.locator("summary").nth(2).click()
    canvas = page.locator("canvas").first.element_handle()
    before = pushing.count
    page.wait_for_function("before => parseInt(document.querySelector('#count').textContent) > before + 3", arg=before)
    assert page.locator("details[open]").count() == 1
    assert canvas.evaluate("canvas => canvas.isConnected")  # drawn on, not made again
    assert VISITOR in page.locator("#count").inner_text()
    assert page.title() == "Pushed · Presage"
    assert console.console.hub.keys == ["/pushed/events"]

    pushing.is_failing = True
    page.get_by_role("status").filter(has_text="the metrics are gone").wait_for()
    pushing.is_failing = False
    page.locator("#count").wait_for()


def test_a_page_is_pushed_to_however_late_the_extension_arrives(browser_page, console, pushing):
    page = browser_page
    held = []

    def hold(route):
        held.append(route)

    page.route("**/hx-sse.min.js*", hold)
    with page.expect_request("**/hx-sse.min.js*"):
        page.goto(f"{console.url}/pushed", wait_until="commit")
    page.wait_for_function("() => typeof htmx !== 'undefined' && document.readyState !== 'loading'")
    # Timers of one delay run in turn: one that htmx set when it was loaded has run, too.
    page.evaluate("new Promise(done => setTimeout(done))")
    assert pushing.count == 0
    [route] = held
    route.continue_()
    page.wait_for_function("() => parseInt(document.querySelector('#count').textContent) > 0")


@pytest.mark.slow
@pytest.mark.parametrize(("scheme", "width"), [("light", 1280), ("dark", 320)])
def test_charts_of_all_kinds_have_no_serious_problem_of_accessibility(browser, console, scheme, width):
    with open_page(browser, color_scheme=scheme, viewport={"width": width, "height": 800}) as page:
        page.goto(f"{console.url}/pushed")
        page.locator("canvas").nth(1).wait_for()
        for summary in page.locator("summary").all():
            summary.click()
        check_accessibility(page)


@pytest.mark.slow
def test_without_scripts_the_tables_have_every_value(browser, console):
    with open_page(browser, java_script_enabled=False) as page:
        page.goto(f"{console.url}/pushed")
        assert page.locator("canvas").count() == 0
        for summary in page.locator("summary").all():
            summary.click()
        assert page.get_by_role("table").count() == 5
        assert page.get_by_role("cell", name="20.0 %").count() >= 5


@contextmanager
def another_site(page: str) -> Iterator[str]:
    """Serve a page of another site."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/html")
            self.end_headers()
            self.wfile.write(page.encode())

        def log_message(self, *_args: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever)
        thread.start()
        try:
            yield f"http://localhost:{server.server_port}/"
        finally:
            server.shutdown()
            thread.join()


@pytest.mark.slow
def test_another_site_can_neither_frame_the_console_nor_send_its_forms(browser, console):
    session = console.console.sessions.start(name="Ada", token="", is_admin=True)
    attack = f"""<iframe src="{console.url}/"></iframe>
        <form method="post" action="{console.url}/sign-out"><button>Win</button></form>"""
    opened = browser.new_context()
    opened.add_cookies([{"name": "presage_console", "value": session, "url": console.url}])
    try:
        page = opened.new_page()
        page.goto(console.url)
        page.get_by_role("button", name="Sign out").wait_for()
        with another_site(attack) as address:
            page.goto(address)
            page.wait_for_load_state("networkidle")
            assert len(page.frames) == 2
            assert all("What Presage sees" not in frame.content() for frame in page.frames)
            page.get_by_role("button", name="Win").click()
            page.get_by_text("This was sent by another site.").wait_for()
    finally:
        opened.close()
    assert console.console.sessions.find(session) is not None
