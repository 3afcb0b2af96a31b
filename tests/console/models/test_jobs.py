"""Measurements that pages wait for: one at a time, kept while the archive is the same, ended with the console."""

from __future__ import annotations

import asyncio
import os
import threading
from pathlib import Path

import pytest

from presage_console.models.jobs import Measurements, measure_in_process
from presage_console.models.measurements import Failure, Measured, Question
from presage_featurizer.event_log import CHECKPOINT_FILE

SECOND = 1_000_000


class Bench:
    """Measurements whose answers are numbered, with a clock that a test moves."""

    def __init__(self) -> None:
        self.now = 1_000 * SECOND
        self.asked: list[Question] = []
        self.at_once = 0
        self.most_at_once = 0
        self.may_end = asyncio.Event()
        self.may_end.set()
        self.measurements = Measurements(lambda: self.now, self.run)

    async def run(self, question: Question) -> Measured:
        self.asked.append(question)
        self.at_once += 1
        self.most_at_once = max(self.most_at_once, self.at_once)
        await self.may_end.wait()
        await asyncio.sleep(0)
        self.at_once -= 1
        return Failure(message=f"answer {len(self.asked)}")


@pytest.fixture
async def bench() -> Bench:
    return Bench()


def about(archive: Path, model: str = "conversion") -> Question:
    return Question(archive=str(archive), model=model)


async def test_an_answer_is_measured_once_and_kept(bench, tmp_path):
    first = bench.measurements.look(about(tmp_path))
    assert (first.measured, first.is_running) == (None, True)
    found = await bench.measurements.wait(about(tmp_path))
    assert (found.measured, found.is_running, found.measured_at_unix_micros) == (
        Failure(message="answer 1"),
        False,
        bench.now,
    )
    bench.now += 3_600 * SECOND
    assert bench.measurements.look(about(tmp_path)) == found
    assert bench.measurements.known(about(tmp_path)) == found.measured
    assert len(bench.asked) == 1


async def test_a_new_batch_is_measured_after_a_while_and_the_old_answer_is_shown_meanwhile(bench, tmp_path):
    await bench.measurements.wait(about(tmp_path))
    checkpoint = tmp_path / CHECKPOINT_FILE
    checkpoint.write_text("1")
    assert not bench.measurements.look(about(tmp_path)).is_running, "it is not a minute old"
    bench.now += 61 * SECOND
    again = bench.measurements.look(about(tmp_path))
    assert (again.measured, again.is_running) == (Failure(message="answer 1"), True)
    assert (await bench.measurements.wait(about(tmp_path))).measured == Failure(message="answer 2")
    bench.now += 61 * SECOND
    assert not bench.measurements.look(about(tmp_path)).is_running
    os.utime(checkpoint, ns=(1, 1))
    assert bench.measurements.look(about(tmp_path)).is_running


async def test_questions_wait_for_each_other(bench, tmp_path):
    questions = [about(tmp_path, name) for name in "abc"]
    await asyncio.gather(*(bench.measurements.wait(question) for question in questions))
    assert (len(bench.asked), bench.most_at_once) == (3, 1)


async def test_the_question_that_was_asked_for_longest_ago_is_forgotten(bench, tmp_path):
    bench.may_end.clear()
    for number in range(40):
        bench.measurements.look(about(tmp_path, str(number)))
    await asyncio.sleep(0)
    bench.may_end.set()
    assert bench.measurements.known(about(tmp_path, "0")) is None
    last = await bench.measurements.wait(about(tmp_path, "39"))
    assert last.measured is not None
    assert about(tmp_path, "1") not in bench.asked, "one that waited is not measured any more"


def children() -> set[str]:
    """Return the processes that this thread has started."""
    return set(Path(f"/proc/self/task/{threading.get_native_id()}/children").read_text().split())


@pytest.mark.slow
@pytest.mark.skipif(not Path("/proc").exists(), reason="children are found in /proc")
async def test_a_process_that_measures_ends_when_nobody_waits_any_more(tmp_path):
    before = children()
    task = asyncio.create_task(measure_in_process(about(tmp_path)))
    while children() == before:  # noqa: ASYNC110 - nothing tells of a process that has begun
        await asyncio.sleep(0)
    begun = children() - before
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert begun
    assert not begun & children()
