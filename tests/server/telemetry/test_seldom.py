from __future__ import annotations

from presage_server.telemetry.seldom import Seldom


def test_some_lines_pass_at_once_and_then_one_at_a_time():
    now = [0.0]
    lines = Seldom(at_once=3, seconds=2.0, clock=lambda: now[0])
    assert [lines.passes() for _ in range(5)] == [True, True, True, False, False]
    now[0] = 1.9
    assert not lines.passes()
    now[0] = 2.1
    assert lines.passes()
    assert lines.left_out() == " (3 more of its kind were left out)"
    assert lines.left_out() == ""
    now[0] = 1_000.0
    assert [lines.passes() for _ in range(4)] == [True, True, True, False]
