from __future__ import annotations

import subprocess
import sys

import pytest

PROGRAM = """
import logging
from presage_server.logs import start_logging
start_logging({level!r}, worker={worker})
logger = logging.getLogger("some.module")
for level in ("debug", "info", "warning", "error"):
    getattr(logger, level)("text of %s", level)
"""


def logged(level: str, worker: int | None = None) -> list[str]:
    program = PROGRAM.format(level=level, worker=worker)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout == ""
    return done.stderr.splitlines()


@pytest.mark.parametrize(("level", "count"), [("debug", 4), ("info", 3), ("warning", 2), ("error", 1)])
def test_less_severe_messages_are_left_out(level, count):
    assert [line.split()[-1] for line in logged(level)] == ["debug", "info", "warning", "error"][-count:]


def test_a_line_has_its_time_its_level_and_its_origin():
    assert logged("error")[0].split(maxsplit=2)[2] == "ERROR some.module: text of error"
    assert logged("error", worker=3)[0].split(maxsplit=2)[2] == "ERROR some.module: worker 3: text of error"
