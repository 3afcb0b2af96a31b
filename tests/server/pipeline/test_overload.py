"""Which calls are rejected when more come than can be served. Clocks are played here."""

from __future__ import annotations

import pytest

from presage_server.pipeline.overload import OverloadPolicy


class Clock:
    def __init__(self) -> None:
        self.seconds = 100.0

    def __call__(self) -> float:
        return self.seconds


class Machine:
    """A serving thread: its work takes processor time, and wall time at least as long."""

    def __init__(self) -> None:
        self.wall, self.processor = Clock(), Clock()
        self.policy = OverloadPolicy(self.wall, self.processor)
        self.policy.note_work(1)

    def work(self, units: int, unit_seconds: float = 50e-6, *, stolen_seconds: float = 0.0) -> None:
        """Do work; neighbours on the machine steal time meanwhile."""
        self.processor.seconds += units * unit_seconds
        self.wall.seconds += units * unit_seconds + stolen_seconds
        self.policy.note_work(units)

    def accepts(self, units_ahead: int, seconds_left: float) -> bool:
        deadline = self.wall.seconds + seconds_left
        return self.policy.can_answer(DueBy(deadline), units_ahead, self.wall.seconds)


class DueBy:
    def __init__(self, deadline: float) -> None:
        self.deadline = deadline


@pytest.fixture
def machine() -> Machine:
    return Machine()


def learned(machine: Machine, unit_seconds: float) -> Machine:
    for _ in range(200):
        machine.work(50, unit_seconds)
    return machine


def test_a_call_is_rejected_only_if_it_could_not_be_answered_in_time(machine):
    learned(machine, 100e-6)
    assert machine.accepts(4_000, seconds_left=1.0)
    assert not machine.accepts(6_000, seconds_left=1.0)
    assert machine.accepts(6_000, seconds_left=2.0)
    assert machine.accepts(1_000_000, seconds_left=float("inf"))


def test_behind_little_work_every_call_is_accepted(machine):
    learned(machine, 0.1)
    assert machine.accepts(10, seconds_left=0.001)


def test_what_work_costs_is_learned_from_processor_time_alone(machine):
    learned(machine, 100e-6)
    for _ in range(200):
        machine.work(50, 100e-6, stolen_seconds=0.5)  # neighbours on the machine have most of it
    assert machine.accepts(4_000, seconds_left=1.0)
    learned(machine, 200e-6)
    assert not machine.accepts(4_000, seconds_left=1.0)


def test_one_costly_call_says_little(machine):
    learned(machine, 100e-6)
    machine.work(1, 0.05)
    assert machine.accepts(2_000, seconds_left=1.0)


def test_what_the_thread_did_before_its_first_call_is_not_the_calls_cost():
    clock = Clock()
    policy = OverloadPolicy(clock, clock)
    policy.note_work(1)
    assert policy.can_answer(DueBy(101.0), 5_000, 100.0)


def queue_for(machine: Machine, units: int, seconds_left: float, during_seconds: float) -> None:
    """Let so much work wait at the end of every turn."""
    until = machine.wall.seconds + during_seconds
    while machine.wall.seconds < until:
        machine.work(100, 100e-6)
        machine.policy.note_queue(units, seconds_left)


def test_a_queue_that_stays_long_is_an_overload_with_a_short_queue_and_small_batches(machine):
    learned(machine, 100e-6)
    usual_units = machine.policy.batch_units
    queue_for(machine, 3_000, seconds_left=1.0, during_seconds=0.3)
    assert machine.policy.overloaded
    assert machine.policy.batch_units < usual_units
    assert machine.policy.queue_units == 64
    learned(machine, 10e-6)
    assert 300 < machine.policy.queue_units <= 400, "expected 4 ms of work"


def test_a_burst_is_no_overload(machine):
    learned(machine, 100e-6)
    for _ in range(20):
        queue_for(machine, 3_000, seconds_left=1.0, during_seconds=0.05)
        queue_for(machine, 10, seconds_left=1.0, during_seconds=0.01)
    assert not machine.policy.overloaded


@pytest.mark.parametrize("units", [64, 400, 1_000])
def test_a_closed_loop_of_any_usual_size_is_no_overload(machine, units):
    """The queue stays, but no longer than the closed loop makes it."""
    learned(machine, 50e-6)
    queue_for(machine, units, seconds_left=1.0, during_seconds=5.0)
    assert not machine.policy.overloaded


def test_a_long_queue_that_is_soon_served_is_no_overload(machine):
    learned(machine, 10e-6)
    queue_for(machine, 1_500, seconds_left=1.0, during_seconds=5.0)
    assert not machine.policy.overloaded


def test_a_busy_machine_is_no_overload(machine):
    """The queue is long for seconds of wall time in which the thread hardly runs."""
    learned(machine, 100e-6)
    for _ in range(8):
        machine.work(100, 100e-6, stolen_seconds=1.0)
        machine.policy.note_queue(3_000, 1.0)
    assert not machine.policy.overloaded


def test_an_overload_ends_when_nothing_was_rejected_for_a_moment(machine):
    learned(machine, 100e-6)
    queue_for(machine, 3_000, seconds_left=1.0, during_seconds=0.15)
    for _ in range(50):
        queue_for(machine, 100, seconds_left=1.0, during_seconds=0.1)
        machine.policy.note_rejected()
    assert machine.policy.overloaded
    queue_for(machine, 100, seconds_left=1.0, during_seconds=0.3)
    assert not machine.policy.overloaded
