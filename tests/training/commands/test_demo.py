from __future__ import annotations

import io
import os
import re
import signal
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest
from rich.console import Console
from training.commands.running import PRESAGE, command, processes_in, run

from presage_server.settings import Settings
from presage_training.commands import demo
from presage_training.traffic.playing import PlaybackStats, Scenario, WatchedVisitor
from support.doc_checks import check_pip, check_presage


@pytest.fixture
def temporary(short_directory) -> Path:
    """A folder for all that the demo puts aside; its name is in the command line of every process that works there."""
    return Path(tempfile.mkdtemp(dir=short_directory))


def number(done, name: str) -> int:
    match = re.search(rf"^ *{name} +([\d,]+) ", done.out, re.MULTILINE)
    assert match, f"no {name!r} in {done.out}"
    return int(match[1].replace(",", ""))


def test_it_ends_with_a_summary_and_leaves_nothing(temporary):
    # The user's own server and store are left alone: were the variables passed on, the demo's server could not start.
    own = {"PRESAGE_REDIS_URL": "unix:///nowhere/redis.sock", "PRESAGE_MODELS": "/nowhere", "PRESAGE_PORT": "1"}
    done = run("demo", "--seconds", 1, TMPDIR=str(temporary), **own)

    assert (done.code, done.err) == (0, "")
    announced = re.search(r"([\d,]+) events of 500 visitors to send", done.out)
    assert announced
    assert number(done, "events") == int(announced[1].replace(",", ""))
    assert number(done, "cold starts") == 500
    assert number(done, "purchases") > 0
    assert number(done, "scores") > number(done, "Score, 4 in flight") > 500
    assert number(done, "Score, one at a time") == number(done, "TrackEvent, one at a time") == 300
    assert len(re.findall(r"^ *(?:TrackEvent|Score), .* \d+\.\d\d ms +\d+\.\d\d ms", done.out, re.MULTILINE)) == 4
    lists = lists_of_the_tour(done.out)
    assert [happened.split()[0] for happened in lists] == ["is", "looked", "picked", "put"]
    assert {len(items) for items in lists.values()} == {4}
    new, looked, picked, in_cart = lists.values()
    # What is popular is of any category; what follows two products is like them.
    assert sum(item_id.startswith("shoes-") for item_id in looked) > sum(
        item_id.startswith("shoes-") for item_id in new
    )
    assert next(iter(looked)) not in {*picked, *in_cart}, "expected what was picked to be left out"
    assert all(reasons for items in lists.values() for reasons in items.values())
    assert not processes_in(temporary)
    assert not list(temporary.iterdir())


def lists_of_the_tour(out: str) -> dict[str, dict[str, str]]:
    """Return the items of each list and their reasons, by what happened before."""
    _, _, told = out.partition("what one visitor is shown next, and why\n")
    lists: dict[str, dict[str, str]] = {}
    for line in told.partition("\nnext\n")[0].splitlines():
        if match := re.fullmatch(r" {4}(\S+-\d{3}) +[A-Z][a-z]+ +\d+\.99 +(.*?) *", line):
            lists[next(reversed(lists))][match[1]] = match[2]
        elif line.strip():
            lists[line.strip()] = {}
    return lists


def test_the_demo_needs_no_library_of_training():
    program = (
        "import sys, presage_training.commands.demo;"
        "print({'lightgbm', 'onnx', 'pandas', 'pyarrow', 'scipy', 'sklearn', 'xgboost'} & sys.modules.keys())"
    )
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "set()\n"


@pytest.mark.slow
def test_it_ends_with_what_to_do_next_in_words_that_work(temporary):
    done = run("demo", "--seconds", 1, TMPDIR=str(temporary), PATH=os.defpath)

    _, _, steps = done.out.partition("\nnext\n")
    commands = [line.split(maxsplit=1) for line in steps.splitlines() if re.match(r"  \S*/(presage|pip) ", line)]
    assert [command.split()[0] for _, command in commands] == ["serve", "install", "inspect", "train", "console"]
    for program, arguments in commands:
        name = Path(program).name
        assert Path(program).samefile(PRESAGE.with_name(name))
        (check_pip if name == "pip" else check_presage)(f"{name} {arguments}")
    assert "keeps its state in ./presage-data" in steps
    assert Settings().data_dir == Path("presage-data")
    pages = re.findall(r"[\w/-]+\.md", steps)
    assert pages
    assert [page for page in pages if not (Path(__file__).parents[3] / page).exists()] == []


@pytest.mark.parametrize("on_path", [True, False])
def test_the_command_is_named_as_the_shell_finds_it(monkeypatch, on_path):
    monkeypatch.setenv("PATH", str(PRESAGE.parent) if on_path else os.defpath)
    monkeypatch.chdir(PRESAGE.parents[1])
    assert demo._command("presage") == ("presage" if on_path else f"{PRESAGE.parent.name}/presage")
    monkeypatch.chdir("/")
    assert demo._command("presage") == ("presage" if on_path else str(PRESAGE.relative_to("/")))


def test_scores_are_drawn_on_one_scale_for_all():
    """A score of 0.6 and more is at full height, so that a quiet visitor's line lies low beside a buyer's."""
    assert demo._sparkline([0.0, 0.08, 0.16, 0.3, 0.59, 0.6, 1.0]) == "▁▂▃▅███"
    assert demo._sparkline([0.01, 0.02]) == "▁▁"
    assert demo._sparkline([0.9] * 5 + [0.0] * 16) == "▁" * 16, "the last sixteen"


@pytest.mark.parametrize(("score", "bar", "line"), [(0.0, 0, "▁"), (0.3, 6, "▅"), (0.6, 12, "█"), (0.95, 12, "█")])
def test_a_watched_visitors_row_shows_the_last_score_as_a_bar_on_the_same_scale(score, bar, line):
    seen = WatchedVisitor(session=3, session_id="s", last_event="view item", scores=[score])
    console = Console(width=120, file=io.StringIO())
    console.print(demo._render(Scenario([], ["ann"]), PlaybackStats(watched={"ann": seen})))
    (row,) = [line for line in console.file.getvalue().splitlines() if "ann" in line]
    assert row.split() == ["ann", "3", "view", "item", f"{score:.3f}", *(["█" * bar] if bar else []), line]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("number", "whole_group"),
    [(signal.SIGINT, True), (signal.SIGTERM, False), (signal.SIGHUP, False)],
    ids=["ctrl-c", "terminate", "closed window"],
)
def test_it_leaves_nothing_when_it_is_ended(temporary, number, whole_group):
    with command("demo", "--seconds", 300, TMPDIR=str(temporary)) as demo:
        assert demo.read_line().startswith("server on 127.0.0.1:")
        assert len(processes_in(temporary)) >= 2, "expected a server and its store"
        (demo.signal_group if whole_group else demo.signal)(number)
        done = demo.wait()

    assert (done.code, done.err) == (130, "")
    assert not processes_in(temporary)
    assert not list(temporary.iterdir())


def test_it_leaves_nothing_when_its_server_is_killed(temporary):
    """A server that is killed removes nothing of what it and its store put aside."""
    with command("demo", "--seconds", 300, TMPDIR=str(temporary)) as demo:
        assert demo.read_line().startswith("server on 127.0.0.1:")
        listed = subprocess.run(["ps", "-A", "-ww", "-o", "pid=,args="], capture_output=True, text=True, check=True)
        (server,) = [line for line in listed.stdout.splitlines() if str(temporary) in line and " serve " in line]
        os.kill(int(server.split()[0]), signal.SIGKILL)
        done = demo.wait()

    assert done.code == 2
    assert done.err.startswith("presage demo: a call failed: ")
    assert done.err.count("\n") == 1
    assert not processes_in(temporary)
    assert not list(temporary.iterdir())


def test_a_server_that_does_not_start_is_no_riddle(temporary, tmp_path):
    (tmp_path / "uvloop.py").write_text("raise ImportError('broken on purpose')")
    done = run("demo", "--seconds", 1, TMPDIR=str(temporary), PYTHONPATH=str(tmp_path))

    assert done.code == 2
    assert "presage demo: the server did not start" in done.err
    assert "broken on purpose" in done.err
    assert not list(temporary.iterdir())
