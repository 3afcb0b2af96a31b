"""Stage timings: how long a batch of calls spent in each named stage."""

from __future__ import annotations

from time import monotonic

__all__ = ["STAGES", "Stages"]

STAGES = ("queue", "decode", "store", "fold", "featurize", "model", "encode")
"""What a call goes through. ``queue`` is from its arrival to the start of its batch."""


class Stages:
    """Marks the ends of stages; all calls of a batch share one."""

    __slots__ = ("marks", "started")

    def __init__(self, started: float) -> None:
        self.started = started
        """When the batch was started, in seconds of ``time.monotonic``."""
        self.marks: list[tuple[str, float]] = []

    def mark(self, stage: str) -> None:
        """Note that a stage ends now; it began where the one before ended."""
        self.marks.append((stage, monotonic()))

    def seconds(self) -> dict[str, float]:
        """Return the time spent in each stage so far."""
        total: dict[str, float] = {}
        before = self.started
        for stage, ended in self.marks:
            total[stage] = total.get(stage, 0.0) + ended - before
            before = ended
        return total

    @property
    def last_seconds(self) -> float:
        """The time from the end of the stage before the last to the end of the last."""
        marks = self.marks
        return marks[-1][1] - (marks[-2][1] if len(marks) > 1 else self.started)

    @property
    def ended(self) -> float:
        """When the last stage ended."""
        return self.marks[-1][1] if self.marks else self.started
