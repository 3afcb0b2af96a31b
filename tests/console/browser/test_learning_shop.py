"""The whole: ``presage console --shop`` starts everything, a model learns and is swapped in, and all of it ends."""

from __future__ import annotations

import re
import signal
import subprocess
import tempfile
import time
from pathlib import Path

import pytest
from training.commands.running import command

from support.browsers import check_accessibility, screenshot
from support.running_server import GENEROUS_SECONDS

pytestmark = pytest.mark.slow

_MINUTES = 20
"""Training waits for whatever else runs on the machine."""


@pytest.fixture
def temporary(short_directory) -> Path:
    return Path(tempfile.mkdtemp(dir=short_directory))


def processes_of(folder):
    """Return the processes that put their temporary files into a folder."""
    listed = subprocess.run(["ps", "axeww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if f"TMPDIR={folder}" in line]


def assert_nothing_is_left(folder):
    # A training ends by itself when its learner has ended, but gives way to all others even then.
    deadline = time.monotonic() + GENEROUS_SECONDS
    while processes_of(folder) and time.monotonic() < deadline:
        time.sleep(0.1)
    assert not processes_of(folder)
    assert not list(folder.iterdir())


def address_of(console):
    while not (found := re.search(r"open (http://\S+)/", line := console.read_line())):
        assert line, "the console did not start"
    return found[1]


@pytest.mark.timeout(60 * (_MINUTES + 5))
def test_a_model_learns_from_purchases_and_is_swapped_in(browser_page, temporary):
    page = browser_page
    with command("console", "--shop", "--port", "0", TMPDIR=str(temporary)) as console:
        url = address_of(console)
        page.goto(f"{url}/shop")
        page.get_by_text("one that learns in this shop is on its way").wait_for()
        page.evaluate("window.marked = true")
        for name in ("Knows what they want", "Has 60 euros"):
            page.get_by_role("button", name=name).click()
        page.get_by_text(
            re.compile(r"The model has learned from [\d,]+ purchases; version \d+ has served since")
        ).wait_for(timeout=_MINUTES * 60_000)
        assert page.evaluate("window.marked"), "the page was not loaded again"
        version = re.search(r"version (\d+) has served", page.locator("#shop-learning").inner_text())[1]
        page.locator(".product .quiet").first.click()
        page.locator(".score .note", has_text=f"conversion {version}").wait_for()
        check_accessibility(page)
        screenshot(page, "shop-learning")
        console.signal(signal.SIGTERM)
        done = console.wait()
    assert (done.code, done.err) == (0, "")
    assert_nothing_is_left(temporary)


@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, False)],
    ids=["ctrl-c", "terminate", "closed window"],
)
def test_it_leaves_nothing_when_it_is_ended(temporary, number, whole_group):
    with command("console", "--shop", "--port", "0", TMPDIR=str(temporary)) as console:
        address_of(console)
        assert len(processes_of(temporary)) >= 6, (
            "expected the console, a server, its store, an archiver, a learner, visitors"
        )
        (console.signal_group if whole_group else console.signal)(number)
        done = console.wait()
    assert done.code == 0
    assert_nothing_is_left(temporary)
