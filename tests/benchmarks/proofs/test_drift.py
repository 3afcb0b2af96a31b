"""The proof of drift, small: a quiet week raises no alarm, and what is easily seen is found within a day."""

from __future__ import annotations

from benchmarks.proofs.drift.proof import Plan, run
from benchmarks.proofs.drift.shifts import SHIFTS

EASY = ("3 % of rows zeroed", "a clock off by two hours", "a bot", "a frozen feature")


def test_planted_shifts_are_found_and_a_quiet_week_is_quiet(tmp_path):
    plan = Plan(visitors_a_day=60, baseline_weeks=2, quiet_weeks=1, min_visitors=60)
    quiet, *shifted = run(plan, [shift for shift in SHIFTS if shift.name in EASY], tmp_path)
    assert quiet.alarms == []
    assert len(quiet.windows) > 14
    assert [outcome.name for outcome in shifted if not outcome.is_right] == []
    assert [outcome.name for outcome in shifted] == list(EASY)
