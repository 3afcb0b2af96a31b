from __future__ import annotations

import json
import signal
from functools import partial

import grpc
import pytest
from rich.progress import Progress
from training.commands.running import command, run, run_here
from training.logs import shop

from presage_training.readers import write_presage_log
from presage_training.traffic import sending
from support.running_server import GENEROUS_SECONDS, server_process
from support.scripted_servicer import Abort, Hold, nobody_at

LINE = {"type": "VIEW_ITEM", "user_id": "ann", "event_time_unix_micros": 1_700_000_000_000_000}


@pytest.fixture
def replay(monkeypatch, capsys):
    """Run ``presage replay`` in this process; retries follow at once."""
    monkeypatch.setattr(sending, "_RETRY_SECONDS", 0.001)
    return partial(run_here, monkeypatch, capsys, "replay")


@pytest.fixture
def log(tmp_path):
    """Return a function that writes lines to a log of ours."""

    def write(*lines: object, name: str = "shop.jsonl"):
        path = tmp_path / name
        path.write_text("".join((line if isinstance(line, str) else json.dumps(line)) + "\n" for line in lines))
        return path

    return write


def row(done, name: str) -> list[str]:
    """Find a row of the summary: its cells, the name first."""
    rows = [[cell.strip() for cell in line.strip("│").split("│")] for line in done.out.splitlines()]
    return next(cells for cells in rows if cells[0].startswith(name))


def test_a_log_goes_into_a_running_server(tmp_path, store, models):
    events = shop(visitors=40)
    write_presage_log(tmp_path / "shop.jsonl.gz", events)
    with server_process(tmp_path / "log", "--redis-url", store.url, "--models", str(models)) as server:
        done = run("replay", tmp_path / "shop.jsonl.gz", "--format", "presage", "--target", server.address)

    assert (done.code, done.err) == (0, "")
    assert row(done, "counted")[1] == row(done, "sent")[1] == f"{len(events):,}"
    assert row(done, "counted before")[1] == "0"
    assert "40 visitors" in done.out


def test_a_corrupt_line_is_counted_shown_and_skipped(replay, target, servicer, log):
    lines = LINE, "no JSON", LINE | {"event_time_unix_micros": 0}, LINE | {"type": "HOVER"}, LINE
    done = replay(log(*lines), "--format", "presage", "--target", target)

    assert (done.code, done.err) == (0, "")
    [request] = servicer.requests("TrackEvents")
    assert [event.event_id for event in request.events] == ["shop:1", "shop:5"]
    assert row(done, "counted")[1] == row(done, "sent")[1] == "2"
    assert row(done, "skipped by the reader: unreadable line: Expected `int` >= 1")[1] == "1"
    assert row(done, "skipped by the reader: unreadable line: expected the name of an event type")[1] == "1"
    _, count, example = row(done, "skipped by the reader: unreadable line: JSON is malformed")
    assert count == "1"
    assert example.startswith("line 2: ")
    assert example.endswith("no JSON")


def test_lines_that_look_like_markup_are_shown_as_they_are(replay, target, log):
    path = log(LINE, "[/bold] [red] :smile:", name="[red]shop[b].jsonl")
    done = replay(path, "--format", "presage", "--target", target)

    assert done.code == 0
    assert row(done, "skipped by the reader")[2].endswith("[/bold] [red] :smile:")
    assert "[red]shop[b].jsonl" in done.out


def test_what_the_server_refused_is_counted_with_an_example(tmp_path, store, models, log):
    lines = LINE, LINE | {"country": "gb"}, LINE | {"country": "Germany"}
    with server_process(tmp_path / "log", "--redis-url", store.url, "--models", str(models)) as server:
        done = run("replay", log(*lines), "--format", "presage", "--target", server.address)

    assert done.code == 0
    name, count, example = row(done, "rejected by the server")
    assert name.startswith("rejected by the server: events.country: ")
    assert count == "2"
    assert example.startswith("shop:2: events[1].country: ")
    assert row(done, "counted")[1] == "1"


@pytest.mark.parametrize(
    ("name", "log_format", "message"),
    [
        ("missing.jsonl", "presage", "missing.jsonl: No such file or directory; name a file that can be read"),
        ("", "presage", "look like the same file twice. Remove one of them, or rename it."),
        ("shop.jsonl", "rees46", "nothing in it could be read as rees46; name its format"),
        ("shop.csv", "rees46", "no column 'event_time'"),
        ("shop.csv", "presage", "shop.csv: nothing in it could be read as presage; name its format"),
        ("shop.parquet", "online-retail", "not a readable Parquet file"),
        ("shop.jsonl.gz", "presage", "cannot be unpacked"),
    ],
)
def test_a_file_that_cannot_be_read_is_refused_in_one_line(replay, log, name, log_format, message):
    for each in ("shop.jsonl", "shop.csv", "shop.parquet", "shop.jsonl.gz"):
        folder = log("a,b,c", "1,2,3", name=each).parent
    done = replay(folder / name, "--format", log_format)

    assert done.code == 2
    assert done.err.startswith(f"presage replay: {folder / name}: ")
    assert message in done.err
    assert done.err.count("\n") == 1


def test_a_format_that_does_not_exist_lists_those_that_do(replay, log):
    done = replay(log(LINE), "--format", "csv")

    assert done.code == 2
    assert all(name in done.err for name in ("'csv'", "online-retail", "rees46", "presage"))


MAPPING = """
columns = { user_id = "who", event_type = "what", event_time = "at" }
event_types = { saw = "VIEW_ITEM" }
event_time = { unit = "s" }
"""


def test_a_log_of_any_shop_goes_in_by_its_mapping(replay, target, servicer, log):
    mapping = log(MAPPING, name="shop.toml")
    clicks = log("at,who,what", "1700000000,ann,saw", "1700000001,bob,heard", name="clicks.csv")
    done = replay(clicks, "--mapping", mapping, "--target", target)

    assert (done.code, done.err) == (0, "")
    [request] = servicer.requests("TrackEvents")
    assert [(event.event_id, event.user_id) for event in request.events] == [("clicks:1", "ann")]
    assert row(done, "skipped by the reader: unknown event type")[1] == "1"


def test_a_mapping_that_cannot_be_used_is_refused_in_one_line(replay, log):
    clicks = log("at,who,what", "1700000000,ann,heard", name="clicks.csv")
    for text, problem in ((MAPPING + "colour = 1", "unknown table or key 'colour'"), (MAPPING, "no row of ")):
        mapping = log(text, name="shop.toml")
        done = replay(clicks, "--mapping", mapping)
        assert done.code == 2
        assert done.err.startswith(f"presage replay: {mapping}: {problem}")
        assert done.err.count("\n") == 1

    done = replay(clicks, "--mapping", mapping.with_name("none.toml"))
    assert done.code == 2
    assert done.err.startswith(f"presage replay: {mapping.with_name('none.toml')}: No such file")


@pytest.mark.parametrize("options", [[], ["--format", "presage", "--mapping", "shop.toml"]])
def test_what_the_log_holds_is_said_once(replay, log, options):
    done = replay(log(LINE), *options)

    assert done.code == 2
    assert done.err == (
        "presage replay: expected either --format or --mapping; give the one that says what the log holds\n"
    )


def test_a_log_out_of_order_is_told_and_sorted_on_request(replay, target, servicer, log):
    start = LINE["event_time_unix_micros"]
    path = log(*(LINE | {"event_time_unix_micros": start + offset} for offset in (5, 3, 4, 5, 6)))
    as_it_is = replay(path, "--format", "presage", "--target", target)
    in_order = replay(path, "--format", "presage", "--target", target, "--sort")

    assert (as_it_is.code, in_order.code) == (0, 0)
    assert (
        "2 of 5 events (40 %), of 1 of 1 visitors (100 %), come after later events of the same visitor, by up to 2e-06 seconds; "
        "--sort sends them in the order of time"
    ) in as_it_is.out
    assert "--sort" not in in_order.out
    sent = [[event.event_id for event in request.events] for request in servicer.requests("TrackEvents")]
    assert sent == [[f"shop:{number}" for number in numbers] for numbers in ((1, 2, 3, 4, 5), (2, 3, 1, 4, 5))]


def test_visitors_that_follow_one_another_are_in_order(replay, target, log):
    start = LINE["event_time_unix_micros"]
    path = log(LINE, LINE | {"user_id": "bob", "event_time_unix_micros": start - 10**9})
    done = replay(path, "--format", "presage", "--target", target)

    assert done.code == 0
    assert "come after" not in done.out


def test_an_empty_log_is_no_failure(replay, target, log):
    done = replay(log(), "--format", "presage", "--target", target)

    assert (done.code, done.err) == (0, "")
    assert row(done, "sent")[1] == "0"


def test_without_a_server_it_says_where_it_looked(replay, log):
    with nobody_at() as target:
        done = replay(log(LINE), "--format", "presage", "--target", target)

    assert done.code == 2
    assert done.err.startswith(f"presage replay: TrackEvents at {target}")
    assert done.err.endswith(f"run the same command again once {target} answers\n")
    assert done.err.count("\n") == 1


def test_a_server_that_refuses_the_call_is_quoted(replay, target, servicer, log):
    servicer.script.append(Abort(grpc.StatusCode.PERMISSION_DENIED, "not you"))
    done = replay(log(LINE), "--format", "presage", "--target", target)

    assert done.code == 2
    assert "not you [PERMISSION_DENIED]" in done.err
    assert done.err.count("\n") == 1


@pytest.mark.parametrize("options", [(), ("--sort",)])
def test_the_progress_knows_how_much_is_to_come(monkeypatch, replay, target, log, options):
    totals = []
    update = Progress.update

    def note(progress, task, **fields):
        totals.append(fields.get("total"))
        update(progress, task, **fields)

    monkeypatch.setattr(Progress, "update", note)
    lines = [LINE | {"user_id": f"u{number % 7}"} for number in range(8_000)]
    done = replay(log(*lines), "--format", "presage", "--target", target, *options)

    assert done.code == 0
    assert row(done, "sent")[1] == "8,000"
    *before, last = totals
    assert last == 8_000
    assert before[-1] == (8_000 if options else pytest.approx(8_000, rel=0.2))


def test_an_unknown_key_is_told_in_the_summary(replay, target, servicer, log):
    path = log(LINE, LINE | {"amout": 3, "\x1b[2J": "\x1b[31m"})
    done = replay(path, "--format", "presage", "--target", target)

    assert (done.code, done.err) == (0, "")
    assert len(servicer.requests("TrackEvents")[0].events) == 2
    name, count, example = row(done, "skipped by the reader: unknown key 'amout'")
    assert name.endswith("'amout', ignored, first on line 2; is 'value' meant?")
    assert count == "1"
    assert example.startswith("line 2: {")
    assert "\x1b" not in done.out


def test_ctrl_c_breaks_it_off_in_one_line(target, servicer, log):
    hold = Hold()
    servicer.script.append(hold)
    with command("replay", log(LINE), "--format", "presage", "--target", target) as replay:
        assert hold.reached.wait(GENEROUS_SECONDS)
        replay.signal_group(signal.SIGINT)
        done = replay.wait()

    assert done.code == 2
    assert done.err == "presage replay: interrupted; run the same command again to send the rest\n"
