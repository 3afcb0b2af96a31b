from __future__ import annotations

import json
import subprocess
import sys
from datetime import UTC, datetime

import pytest

from presage_server.logs import redacted

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


JSON_PROGRAM = """
import logging
from presage_server.logs import start_logging
start_logging("info", "json", worker={worker})
logger = logging.getLogger("some.module")
logger.info("a \\"quoted\\" text: %r, ü\\n", "x", extra={{"request_id": "order-17", "other": 1}})
try:
    raise ValueError("AUTH failed for redis://user:Pa/ss#w0rd@host:6379/0")
except ValueError:
    logger.exception("failed")
"""


@pytest.mark.parametrize("worker", [None, 3])
def test_json_has_an_object_for_each_line(worker):
    program = JSON_PROGRAM.format(worker=worker)
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    first, second = (json.loads(line) for line in done.stderr.splitlines())
    assert datetime.fromisoformat(first.pop("time")).tzinfo is UTC
    assert first.pop("process") > 0
    of_worker = {} if worker is None else {"worker": worker}
    assert first == {
        "level": "info",
        "logger": "some.module",
        "message": "a \"quoted\" text: 'x', ü\n",
        "request_id": "order-17",
        **of_worker,
    }
    assert second["level"] == "error"
    assert (second["error"]["type"], second["error"]["stack"].startswith("Traceback")) == ("ValueError", True)
    assert "w0rd" not in done.stderr


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("redis://:S3cr3t/Tr0ub@host:1/0 is away", "redis://***@host:1/0 is away"),
        ("at rediss://user:p@ss@host, retry", "at rediss://***@host, retry"),
        ("authorization: Bearer abc.def-ghi", "authorization: Bearer ***"),
        ("rediss://host?password=hidden&db=1", "rediss://host?password=***"),
        ("token = 'hidden'", "token = '***'"),
        ("unix:///tmp/presage/valkey.sock, data in /tmp/a@b", "unix:///tmp/presage/valkey.sock, data in /tmp/a@b"),
        ("WRONGTYPE at {p12}:u:anna@example.com now", "WRONGTYPE at {p12}:u:v-3016fcba043b75fb now"),
        ("the token of a caller is counted", "the token of a caller is counted"),
    ],
)
def test_secrets_are_left_out(text, shown):
    assert redacted(text) == shown
