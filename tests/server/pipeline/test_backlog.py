"""Calls that wait for their batch: who comes next, and who is dropped."""

from __future__ import annotations

from collections import Counter

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_server.call import Call
from presage_server.pipeline.backlog import Backlog, newest_of_each
from presage_server.rpc.status import Status


class WaitingCall(Call):
    __slots__ = ()

    def send_reply(self, payload: bytes) -> None:
        pass

    def send_failure(self, status: Status) -> None:
        pass


def a_call(name: str, units: int = 1) -> Call:
    """Make a call named after its connection, as in ``a1``."""
    call = WaitingCall(name, b"", 0.0, float("inf"), (), name[0])
    call.units = units
    return call


def calls(names: str, units: int = 1) -> list[Call]:
    return [a_call(name, units) for name in names.split()]


def names(taken: list[Call]) -> str:
    return " ".join(call.method for call in taken)


def test_connections_take_turns_and_each_ones_calls_stay_in_order():
    backlog = Backlog()
    backlog.add(calls("a1 a2 a3 a4 b1 c1 c2"))
    assert names(backlog.take(100)) == "a1 b1 c1 a2 c2 a3 a4"
    assert not backlog
    assert backlog.units == 0


def test_the_next_batch_begins_with_another_connection():
    backlog = Backlog()
    backlog.add(calls("a1 a2 a3 b1 b2 c1"))
    assert [names(backlog.take(1)) for _ in range(6)] == ["a1", "b1", "c1", "a2", "b2", "a3"]


def test_a_connection_with_many_calls_does_not_hold_up_the_others():
    backlog = Backlog()
    backlog.add(calls(" ".join(f"a{number}" for number in range(1_000))))
    backlog.add(calls("b1 c1"))
    assert {"b1", "c1"} <= set(names(backlog.take(4)).split())


def test_the_newest_come_first_where_they_are_wanted_first():
    backlog = Backlog()
    backlog.add(calls("a1 a2 a3 b1 b2"))
    assert names(backlog.take(3, newest_first=True)) == "a3 b2 a2"
    assert names(backlog.take(100)) == "b1 a1"


def test_a_batch_has_about_as_much_work_as_wanted():
    backlog = Backlog()
    backlog.add(calls("a1 a2 a3 a4", units=5))
    assert names(backlog.take(8)) == "a1 a2"
    assert backlog.units == 10


def test_calls_that_have_ended_meanwhile_are_left_out():
    backlog = Backlog()
    waiting = calls("a1 a2 b1")
    backlog.add(waiting)
    waiting[0].end(1)
    assert names(backlog.take(2)) == "b1 a2"
    assert backlog.units == 0
    assert not backlog


def test_a_call_that_waits_longest_on_its_connection_is_known():
    backlog = Backlog()
    assert backlog.oldest is None
    backlog.add(calls("a1 a2"))
    assert backlog.oldest.method == "a1"


def test_the_longest_queue_is_shortened_first_by_its_oldest_calls():
    backlog = Backlog()
    backlog.add(calls("a1 b1 b2 b3 b4 c1 c2"))
    assert names(backlog.shorten(5)) == "b1 b2"
    assert sorted(names(backlog.shorten(3)).split()) in (["b3", "c1"], ["b3", "b4"], ["c1", "c2"])
    assert names(backlog.shorten(3)) == ""
    assert backlog.units == 3


@pytest.mark.parametrize("newest_first", [False, True])
@given(
    arrivals=st.lists(st.tuples(st.sampled_from("abcd"), st.integers(1, 20)), max_size=60),
    wanted=st.integers(1, 40),
    kept=st.integers(0, 200),
)
def test_no_call_is_lost_or_taken_twice(newest_first, arrivals, wanted, kept):
    backlog = Backlog()
    added = [a_call(f"{peer}{number}", units) for number, (peer, units) in enumerate(arrivals)]
    backlog.add(added)
    dropped = backlog.shorten(kept)
    assert backlog.units <= kept or not backlog
    assert backlog.units == sum(call.units for call in added) - sum(call.units for call in dropped)
    taken = []
    while backlog:
        part = backlog.take(wanted, newest_first=newest_first)
        assert sum(call.units for call in part[:-1]) < wanted
        taken += part
    assert Counter(map(id, taken + dropped)) == Counter(map(id, added))
    assert backlog.units == 0


def test_the_newest_calls_of_each_connection_are_chosen_in_turn():
    arrived = calls("a1 a2 a3 b1 b2 a4 a5 a6")
    chosen, others = newest_of_each(arrived, 5)
    assert names(chosen) == "b1 b2 a4 a5 a6"
    assert names(others) == "a1 a2 a3"
    assert newest_of_each(arrived, 100) == (arrived, [])
    assert newest_of_each([], 5) == ([], [])
