"""Helper processes: started again when they end, and ended with the server."""

from __future__ import annotations

import asyncio
import sys

import pytest

from presage_server import child_process
from presage_server.workers import helper
from presage_server.workers.helper import frame, helper_process, read_frame
from support.running_server import GENEROUS_SECONDS

PROGRAM = """
import sys
from presage_server.workers.helper import LENGTH_BYTES, frame
import msgspec, os

source = sys.stdin.buffer
os.write(0, frame(sys.argv[1:]))
while length := source.read(LENGTH_BYTES):
    message = msgspec.msgpack.decode(source.read(int.from_bytes(length, "big")))
    if message == "die":
        sys.exit(3)
    os.write(0, frame(message * 2))
"""


@pytest.fixture
def module(tmp_path, monkeypatch):
    """A module that can be run as a helper: it doubles what it is told, and dies when it is told to."""
    (tmp_path / "doubling_helper.py").write_text(PROGRAM)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr(child_process, "_FIRST_DELAY_SECONDS", 0.01)
    monkeypatch.setattr(helper, "CHECK_INTERVAL_SECONDS", 0.01)
    return "doubling_helper"


async def test_what_is_said_is_answered_by_one_after_the_other(module, caplog):
    said = []
    done = asyncio.Event()

    async def serve(reader, writer):
        assert await read_frame(reader) == ["a", "b"]
        writer.write(frame([1]))
        said.append(await read_frame(reader))
        if len(said) < 3:
            writer.write(frame("die"))
            await read_frame(reader)
        done.set()
        await asyncio.sleep(GENEROUS_SECONDS)

    async with asyncio.timeout(GENEROUS_SECONDS):
        async with helper_process(module, ["a", "b"], serve, what="the process that doubles"):
            await done.wait()
    assert said == [[1, 1]] * 3
    lines = [record.getMessage() for record in caplog.records]
    assert lines == [
        f"the process that doubles ended with code 3 and is started again in {delay} s" for delay in ("0.02", "0.04")
    ]


async def test_one_that_cannot_be_started_is_tried_again(monkeypatch, module, caplog):
    python = sys.executable
    monkeypatch.setattr(helper.sys, "executable", "/nowhere/python")
    monkeypatch.setattr(helper, "end_with_parent", list)
    started = asyncio.Event()

    async def serve(reader, _writer):
        await read_frame(reader)
        started.set()

    async with asyncio.timeout(GENEROUS_SECONDS):
        async with helper_process(module, [], serve, what="the process that doubles"):
            while not caplog.records:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.005)
            monkeypatch.setattr(helper.sys, "executable", python)
            await started.wait()
    assert "the process that doubles could not be started, and is tried again in 0.02 s: " in caplog.text


async def test_one_that_cannot_be_served_is_ended_and_tried_again(module, caplog):
    readers = []
    served_again = asyncio.Event()

    async def serve(reader, _writer):
        await read_frame(reader)
        readers.append(reader)
        if len(readers) == 1:
            raise KeyError("a defect")
        assert await readers[0].read() == b""
        served_again.set()
        await asyncio.sleep(GENEROUS_SECONDS)

    async with asyncio.timeout(GENEROUS_SECONDS):
        async with helper_process(module, [], serve, what="the process that doubles"):
            await served_again.wait()
    assert "a defect" in caplog.text
    assert "the process that doubles ended with code 0" in caplog.text
