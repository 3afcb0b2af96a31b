from __future__ import annotations

import json
import os
import signal
import time

import pytest

from benchmarks.rig.checkouts import CheckoutError, CommandError
from benchmarks.rig.command import (
    FAILED,
    INTERRUPTED,
    MISSING,
    USAGE,
    MissingRequirementError,
    load_options,
    run_benchmark,
    write_json,
)


@pytest.mark.parametrize(
    ("error", "code", "line"),
    [
        (MissingRequirementError("no [compiler]"), MISSING, "bench: no [compiler]"),
        (CheckoutError("no such revision"), USAGE, "bench: no such revision"),
        (CommandError("pytest failed"), FAILED, "bench: pytest failed"),
        (RuntimeError("a wrong answer"), FAILED, "bench: a wrong answer"),
        (KeyboardInterrupt(), INTERRUPTED, "bench: stopped"),
    ],
)
def test_each_kind_of_error_has_a_line_and_an_exit_code(error, code, line, capsys):
    def benchmark(_console):
        raise error

    assert run_benchmark("bench", benchmark) == code
    assert capsys.readouterr().out == f"{line}\n"


def test_a_benchmark_that_ends_has_its_own_exit_code():
    assert run_benchmark("bench", lambda _: 0) == 0
    assert run_benchmark("bench", lambda _: 1) == 1


def test_a_benchmark_that_is_terminated_cleans_up(capsys):
    before = signal.getsignal(signal.SIGTERM)
    cleaned = []

    def benchmark(_console):
        try:
            os.kill(os.getpid(), signal.SIGTERM)
            time.sleep(10)
        finally:
            cleaned.append(True)

    assert run_benchmark("bench", benchmark) == INTERRUPTED
    assert cleaned
    assert capsys.readouterr().out == "bench: stopped\n"
    assert signal.getsignal(signal.SIGTERM) == before


def test_the_exit_codes_differ():
    assert len({0, FAILED, USAGE, MISSING, INTERRUPTED}) == 5


def test_a_usage_error_has_the_code_of_argparse():
    with pytest.raises(SystemExit) as caught:
        load_options("wire", rounds=1, seconds=1.0).parse_args(["--rounds", "many"])

    assert caught.value.code == USAGE


def test_figures_are_written_into_a_folder_that_is_made(tmp_path):
    write_json(tmp_path / "new" / "figures.json", [{"server": "native"}])
    write_json(None, [])

    assert json.loads((tmp_path / "new" / "figures.json").read_text()) == [{"server": "native"}]
