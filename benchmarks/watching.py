"""``python -m benchmarks.watching``: what five browsers with the console's page Live open cost a Score.

One server at a constant rate, and a console beside it, with and without browsers in turn. A browser loads the page and what that
names, then reads all figures that are pushed. Nothing is drawn, as browsers run on other machines; ``--chromium`` opens real ones,
which then compete with the server for this machine's processor.

The exit code is 1 if Score's p99, or the server's processor time for each call, is more than 3 % higher with browsers, and not by
chance.
"""

from __future__ import annotations

import argparse
import re
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from http.client import HTTPConnection
from urllib.parse import urlsplit

from rich.console import Console
from rich.table import Table

from benchmarks.peers.ports import free_port
from benchmarks.rig.command import FAILED, MissingRequirementError, load_options, run_benchmark, write_json
from benchmarks.rig.comparisons import MAX_RATIO, compare
from benchmarks.rig.in_turn import CallCost
from benchmarks.rig.load import Calls, run_load
from benchmarks.rig.processes import cpu_seconds
from benchmarks.rig.rig import open_rig
from benchmarks.rig.serving import Server

__all__ = ["main"]

_OFF, _ON = "without browsers", "with browsers"
_FIGURES = ("p99", "p50", "cpu")
_READY = "presage console: open "
_TIMEOUT_SECONDS = 60.0

Browsers = Callable[[int], AbstractContextManager[object]]
"""Opens some browsers on the page."""


@dataclass(slots=True)
class Watched:
    """What the browsers of all rounds got."""

    pushes: int = 0
    bytes: int = 0


def main(arguments: list[str] | None = None) -> int:
    """Load the server, and print the ratios."""
    parser = load_options("watching", rounds=15, seconds=6.0)
    parser.add_argument("--rate", type=float, default=5_000.0, help="Score a second (default: %(default)s)")
    parser.add_argument("--browsers", type=int, default=5, help="how many are open (default: %(default)s)")
    parser.add_argument("--chromium", help="the program of a real browser, such as /usr/bin/chromium")
    parser.add_argument("--transport", default="native")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-console", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    metrics_port, watched = free_port(), Watched()
    with open_rig(given.visitors) as rig, console.status("loading"):
        flags = ("--transport", given.transport, "--metrics-port", str(metrics_port))
        server = rig.start_presage(rig.start_store(), *flags)
        with (
            _console(server.address, f"http://127.0.0.1:{metrics_port}/metrics") as (url, pid),
            _browsers(given.chromium, f"{url}live", watched) as browsers,
        ):
            costs, console_seconds = _in_turn(given, server, rig.write_calls("score"), pid, browsers)
    if not given.chromium and watched.pushes < given.rounds * given.browsers:
        raise RuntimeError(f"expected each browser to get figures in each round, got {watched.pushes} in all")
    seconds = given.rounds * given.seconds
    for name, used in console_seconds.items():
        console.print(f"the console, {name}: {used / seconds:.2%} of a core", highlight=False)
    if not given.chromium:
        console.print(
            f"{watched.pushes} pushes, {watched.bytes / max(watched.pushes, 1) / 1e3:,.0f} kB each", highlight=False
        )
    return _report(given, console, costs)


def _in_turn(
    given: argparse.Namespace, server: Server, calls: Calls, console_pid: int, browsers: Browsers
) -> tuple[dict[str, list[CallCost]], dict[str, float]]:
    """Load the server with and without browsers in turn; returns each round's costs, and the console's processor time."""
    costs: dict[str, list[CallCost]] = {_OFF: [], _ON: []}
    console_seconds = dict.fromkeys(costs, 0.0)
    for number in range(given.rounds + 1):
        # The next one meets a warmer machine: they change places.
        for name in sorted(costs, reverse=bool(number % 2)):
            with browsers(given.browsers if name == _ON else 0):
                before = cpu_seconds([server.pid]), cpu_seconds([console_pid])
                outcome = run_load(server.address, calls, rate=given.rate, seconds=given.seconds, warm_up_seconds=0.0)
                after = cpu_seconds([server.pid]), cpu_seconds([console_pid])
            if outcome.errors or not outcome.ok.calls:
                raise RuntimeError(f"{name}: expected every call to be answered, but {outcome.errors} were not")
            if number:  # the first round warms up
                used = (after[0] - before[0]) * 1e6 / outcome.ok.calls
                costs[name].append(CallCost(used, outcome.ok.p50_us, outcome.ok.p99_us))
                console_seconds[name] += after[1] - before[1]
    return costs, console_seconds


def _report(given: argparse.Namespace, console: Console, costs: dict[str, list[CallCost]]) -> int:
    found = [compare(given.transport, 0, figure, costs, base=_OFF, other=_ON) for figure in _FIGURES]
    title = f"Score at {given.rate:,.0f}/s beside a console, {given.browsers} browsers on its page Live"
    table = Table("figure", f"µs {_OFF}", f"µs {_ON}", "ratio", title=title, title_justify="left")
    for one in found:
        micros = (f"{micros:.1f}" for micros in one.micros.values())
        table.add_row(one.figure, *micros, f"{one.ratio:.3f} ± {2 * one.error:.3f}")
    console.print(table)
    write_json(given.to, [one.as_json() | {"rate": given.rate, "browsers": given.browsers} for one in found])
    too_slow = [one for one in found if one.is_too_slow and one.figure in {"p99", "cpu"}]
    for one in too_slow:
        console.print(f"{one.figure}: expected at most {MAX_RATIO}, got {one.ratio:.3f}")
    return FAILED if too_slow else 0


@contextmanager
def _console(address: str, metrics_url: str) -> Iterator[tuple[str, int]]:
    """Run ``presage console`` on a free port; yields its address and its process's id."""
    words = ("console", "--port", "0", "--server", address, "--metrics-url", metrics_url)
    command = (sys.executable, "-m", "presage_server", *words)
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True, start_new_session=True) as process:
        assert process.stdout is not None
        try:
            line = process.stdout.readline()
            if not line.startswith(_READY):
                raise RuntimeError(f"expected a line with {_READY!r}, got {line!r}")
            yield line.removeprefix(_READY).strip(), process.pid
        finally:
            process.terminate()


@contextmanager
def _browsers(chromium: str | None, page: str, watched: Watched) -> Iterator[Browsers]:
    """Return what opens browsers: real ones, or those that only load and read."""
    if not chromium:
        yield lambda count: _readers(page, count, watched)
        return
    try:
        from playwright.sync_api import sync_playwright  # noqa: PLC0415 - only here
    except ImportError as error:
        raise MissingRequirementError("--chromium needs the package playwright") from error
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=chromium, args=["--no-sandbox", "--disable-gpu"])

        @contextmanager
        def open_pages(count: int) -> Iterator[None]:
            pages = [browser.new_page() for _ in range(count)]
            for one in pages:
                one.goto(page)
            try:
                yield
            finally:
                for one in pages:
                    one.close()

        yield open_pages
        browser.close()


@contextmanager
def _readers(page: str, count: int, watched: Watched) -> Iterator[None]:
    """Load a page some times, and follow what is pushed to it for as long as the context lasts."""
    ended = threading.Event()
    lock = threading.Lock()

    def follow(stream: HTTPConnection) -> None:
        with stream.getresponse() as response:
            while not ended.is_set():
                line = response.readline()
                if not line:
                    return
                with lock:
                    watched.bytes += len(line)
                    watched.pushes += line == b"\n"  # the end of one

    streams = [_open_stream(page) for _ in range(count)]
    threads = [threading.Thread(target=follow, args=(stream,), daemon=True) for stream in streams]
    for thread in threads:
        thread.start()
    try:
        yield
    finally:
        ended.set()
        for thread in threads:
            thread.join(_TIMEOUT_SECONDS)
        for stream in streams:
            stream.close()


def _open_stream(page: str) -> HTTPConnection:
    """Load a page and what it names, and ask for what is pushed to it."""
    with urllib.request.urlopen(page, timeout=_TIMEOUT_SECONDS) as answer:
        text = answer.read().decode()
    where = urlsplit(page)
    for path in re.findall(r'(?:src|href)="(/static/[^"]+)"', text):
        with urllib.request.urlopen(f"{where.scheme}://{where.netloc}{path}", timeout=_TIMEOUT_SECONDS) as answer:
            answer.read()
    events = re.findall(r'hx-sse:connect="([^"]+)"', text)
    if not events:
        raise RuntimeError(f"expected {page} to name what is pushed to it, got a page without")
    stream = HTTPConnection(where.netloc, timeout=_TIMEOUT_SECONDS)
    stream.request("GET", events[0], headers={"Accept": "text/event-stream"})
    return stream


if __name__ == "__main__":
    sys.exit(main())
