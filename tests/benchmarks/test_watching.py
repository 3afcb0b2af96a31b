"""What browsers on the console's page Live cost, and that they got its figures."""

from __future__ import annotations

import json
import time
from contextlib import contextmanager
from pathlib import Path

import pytest

from benchmarks import watching as program
from benchmarks.rig.load import Calls, Latency, Outcome
from benchmarks.rig.serving import Server
from benchmarks.watching import Watched, main
from support.consoles import running_console
from support.running_server import server_process

SERVER, CONSOLE = 1, 2


@pytest.fixture
def measured(monkeypatch):
    """The p99 in microseconds by the number of browsers, whose pushes are counted unless a test says otherwise."""
    p99, state, used = {0: 400.0, 5: 408.0}, {"open": 0, "pushes": 1}, {SERVER: 0.0, CONSOLE: 0.0}

    class Rig:
        def start_store(self):
            return "redis://store"

        def start_presage(self, *_flags):
            return Server("127.0.0.1:1", SERVER, 3)

        def write_calls(self, scenario):
            return Calls(Path(scenario), ["/Method"])

    @contextmanager
    def given(value):
        yield value

    @contextmanager
    def browsers(_chromium, _page, watched):
        @contextmanager
        def opened(count):
            state["open"] = count
            watched.pushes += count * state["pushes"]
            yield

        yield opened

    def run_load(_address, _calls, *, rate, **_options):
        assert rate == 5_000.0
        used[SERVER] += 100 * 40e-6
        used[CONSOLE] += 0.06 if state["open"] else 0.0
        of = p99[state["open"]]
        return Outcome(
            seconds=1.0,
            statuses={0: Latency(calls=100, p50_us=1, p90_us=1, p99_us=of, p999_us=of, max_us=of)},
            missed=0,
        )

    monkeypatch.setattr(program, "open_rig", lambda _: given(Rig()))
    monkeypatch.setattr(program, "_console", lambda *_: given(("http://127.0.0.1:1/", CONSOLE)))
    monkeypatch.setattr(program, "_browsers", browsers)
    monkeypatch.setattr(program, "run_load", run_load)
    monkeypatch.setattr(program, "cpu_seconds", lambda pids: used[pids[0]])
    return p99, state


def test_ratios_are_to_the_server_without_browsers(measured, tmp_path, capsys):
    assert main(["--rounds", "3", "--to", str(tmp_path / "figures.json")]) == 0
    figures = json.loads((tmp_path / "figures.json").read_text())
    assert {one["figure"]: round(one["ratio"], 6) for one in figures} == {"p99": 1.02, "p50": 1.0, "cpu": 1.0}
    shown = capsys.readouterr().out
    assert "the console, with browsers: 1.00% of a core" in shown
    assert "the console, without browsers: 0.00% of a core" in shown


def test_more_than_three_percent_is_a_failure(measured, capsys):
    p99, _ = measured
    p99[5] = 420.0
    assert main(["--rounds", "2"]) == 1
    assert "p99: expected at most 1.03, got 1.05" in capsys.readouterr().out


def test_browsers_that_got_nothing_show_nothing(measured, capsys):
    _, state = measured
    state["pushes"] = 0
    assert main(["--rounds", "2"]) == 1
    assert "expected each browser to get figures in each round, got 0 in all" in capsys.readouterr().out


def test_readers_load_the_page_and_get_what_is_pushed(store, models, tmp_path, unused_tcp_port):
    metrics = ("--metrics-port", str(unused_tcp_port))
    watched = Watched()
    with (
        server_process(tmp_path / "log", "--redis-url", store.url, "--models", str(models), *metrics) as server,
        running_console(server.address, metrics_url=f"http://127.0.0.1:{unused_tcp_port}/metrics") as console,
        program._browsers(None, f"{console.url}/live", watched) as browsers,
        browsers(2),
    ):
        deadline = time.monotonic() + 60.0
        while watched.pushes < 2 and time.monotonic() < deadline:
            time.sleep(0.05)
    assert watched.pushes >= 2
    assert watched.bytes / watched.pushes > 5_000
