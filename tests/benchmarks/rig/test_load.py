from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest

from benchmarks.rig import load
from benchmarks.rig.load import WARM_UP_SECONDS, Calls, load_command, outcome_of, run_load

CALLS = Calls(Path("calls"), ["/a/B", "/a/C"])
LATENCY = {"p50_us": 100.0, "p90_us": 150.0, "p99_us": 200.0, "p999_us": 300.0, "max_us": 400.0}


def printed(*, missed=0, **calls_by_status):
    statuses = {
        status.lstrip("s").replace("m", "-"): {"calls": calls} | LATENCY for status, calls in calls_by_status.items()
    }
    return json.dumps({"seconds": 2.0, "missed": missed, "statuses": statuses})


@pytest.fixture
def generator(tmp_path, monkeypatch):
    """Puts a script in the generator's place, which gets what the generator would."""

    def stand_in(script):
        program = tmp_path / "load"
        program.write_text(f"#!{sys.executable}\nimport sys\n{script}\n")
        program.chmod(0o755)
        monkeypatch.setattr(load, "build_program", lambda _: program)

    return stand_in


def test_what_was_printed_is_read():
    outcome = outcome_of(printed(s0=500))

    assert (outcome.ok.calls, outcome.ok.p50_us, outcome.ok.p999_us) == (500, 100.0, 300.0)
    assert (outcome.errors, outcome.per_second) == (0, 250.0)


def test_all_that_is_not_answered_well_is_an_error():
    outcome = outcome_of(printed(s0=500, s14=3, sm1=2, missed=4))

    assert outcome.errors == 3 + 2 + 4
    assert outcome.per_second == 250.0


def test_a_load_without_a_good_answer_has_zeros():
    outcome = outcome_of(printed(s14=9))

    assert (outcome.ok.calls, outcome.per_second, outcome.errors) == (0, 0.0, 9)


def test_the_command_line_says_what_is_asked_for(generator):
    generator("")
    words = load_command("127.0.0.1:5000", CALLS, in_flight=16, connections=2, rate=99.5)
    options = dict(zip(words[1::2], words[2::2], strict=True))
    paths = [value for name, value in zip(words[1::2], words[2::2], strict=True) if name == "--path"]

    assert (options["--host"], options["--port"], options["--calls"]) == ("127.0.0.1", "5000", "calls")
    assert (options["--in-flight"], options["--connections"], options["--rate"]) == ("16", "2", "99.5")
    assert paths == ["/a/B", "/a/C"]


def test_a_load_is_run_and_read(generator):
    generator(
        "options = dict(zip(sys.argv[1::2], sys.argv[2::2]))\n"
        f"assert (options['--seconds'], options['--warm-up-seconds']) == ('0.5', '{WARM_UP_SECONDS}')\n"
        f"print({printed(s0=10)!r})"
    )

    assert run_load("127.0.0.1:5000", CALLS, seconds=0.5).ok.calls == 10


@pytest.mark.parametrize(
    ("script", "message"),
    [("sys.exit('load: cannot connect')", "load: cannot connect"), ("sys.exit(3)", "the load generator ended with 3")],
)
def test_a_load_that_fails_says_why(generator, script, message):
    generator(script)

    with pytest.raises(RuntimeError, match=f"^{message}$"):
        run_load("127.0.0.1:5000", CALLS)
