from __future__ import annotations

import ast
from pathlib import Path

import pytest
from rich.console import Console

import benchmarks
from benchmarks.adding_up import CALLS, Call, Stage, adding_up

CALL = Call(
    "Call",
    "whole",
    (
        Stage("empty", "echo", "empty"),
        Stage("frame", "frame"),
        Stage("read", "read", "store"),
        Stage("write", "write", "store"),
    ),
)
BY_ITSELF = {"echo": 50.0, "frame": 5.0, "read[a]": 10.0, "write[a]": 15.0, "whole[a]": 100.0}
IN_THE_CALL = {"whole.empty[a]": 60.0, "whole.store[a]": 40.0, "whole.whole[a]": 120.0}


def rows(table):
    console = Console(width=200)
    with console.capture() as capture:
        console.print(table)
    cells = [[cell.strip() for cell in line.split("│")[1:-1]] for line in capture.get().splitlines() if "│" in line]
    return {label: tuple(values) for label, *values in cells}


def test_the_stages_are_summed_up_and_the_rest_is_shown():
    assert rows(adding_up(CALL, BY_ITSELF | IN_THE_CALL, "a")) == {
        "empty": ("50.0", "60.0"),
        "frame": ("5.0", "5.0"),
        "read": ("10.0", ""),
        "write": ("15.0", "40.0"),
        "sum of the stages": ("80.0", "105.0"),
        "whole Call": ("100.0", "120.0"),
        "not explained by a stage": ("20.0 (20.0%)", "15.0 (12.5%)"),
    }


@pytest.mark.parametrize("missing", [*BY_ITSELF, *IN_THE_CALL])
def test_there_is_no_table_where_a_part_was_not_measured(missing):
    medians = {name: micros for name, micros in (BY_ITSELF | IN_THE_CALL).items() if name != missing}

    assert adding_up(CALL, medians, "a") is None


def test_every_stage_has_its_benchmark():
    sources = [path.read_text() for path in Path(benchmarks.__file__).parent.glob("test_*.py")]
    functions = {
        node.name for source in sources for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)
    }
    named = {name for call in CALLS for name in (call.benchmark, *(stage.benchmark for stage in call.stages))}

    assert named <= functions
