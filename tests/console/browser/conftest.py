"""A browser, and a console with a server. Tests here are no coroutines: the browser's driver has an event loop of its own."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from support.browsers import browser_path, open_page, running_browser
from support.consoles import RunningConsole, running_console
from support.running_server import ServerProcess, server_process


@pytest.fixture(scope="module")
def browser():
    """One chromium for the tests of a file."""
    path = browser_path()
    if path is None:
        pytest.skip("no chromium is installed here")
    with running_browser(path) as running:
        yield running


@pytest.fixture
def browser_page(browser):
    """A page 1280 pixels wide, in light colours; fails if a script does, or the content security policy stops something."""
    with open_page(browser) as page:
        yield page


@pytest.fixture
def served_process(store, models, tmp_path, unused_tcp_port) -> Iterator[ServerProcess]:
    """``presage serve`` on an empty store with the models of the suite; its metrics are at ``metrics_url``."""
    flags = ("--redis-url", store.url, "--models", str(models), "--metrics-port", str(unused_tcp_port))
    with server_process(tmp_path / "server.log", *flags, "--allow-set-aliases") as server:
        yield server


@pytest.fixture
def metrics_url(unused_tcp_port) -> str:
    """The metrics of ``served_process``."""
    return f"http://127.0.0.1:{unused_tcp_port}/metrics"


@pytest.fixture
def console_server(served_process, models, metrics_url) -> Iterator[RunningConsole]:
    """A console of ``served_process`` with all that it can read of it; another one: ``support.consoles.running_console``."""
    with running_console(served_process.address, models=str(models), metrics_url=metrics_url) as console:
        yield console
