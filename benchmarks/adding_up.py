"""Checks whether the stages of a call add up to the time of the whole call."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from rich.table import Table

__all__ = ["CALLS", "EMPTY", "WHOLE", "Call", "Stage", "adding_up"]

EMPTY = "empty"
"""The time of an empty call, in turn with the whole one."""
WHOLE = "whole"
"""The time of the whole call, in turn with the empty one."""


@dataclass(frozen=True, slots=True)
class Stage:
    """One stage of a call."""

    label: str
    """What the table calls it."""
    benchmark: str
    """The benchmark that measures it by itself."""
    timing: str = ""
    """The timing inside the call that it is part of: EMPTY, or one of the server's own; empty if there is none."""


@dataclass(frozen=True, slots=True)
class Call:
    """A call and its stages; those of one timing follow each other."""

    label: str
    """What the table calls it."""
    benchmark: str
    """The benchmark that measures the whole."""
    stages: Sequence[Stage]
    """In order."""


_EMPTY_STAGE = Stage("an empty call", "test_empty_call", EMPTY)

_SCORING = (
    Stage("featurize", "test_featurize", "featurize"),
    Stage("ONNX Runtime, one row", "test_onnx_one_row", "model"),
    Stage("link", "test_link", "model"),
    Stage("encode the prediction", "test_prediction_encode"),
)

CALLS = (
    Call(
        "Score",
        "test_score",
        (
            _EMPTY_STAGE,
            Stage("decode the request", "test_score_request_decode", "decode"),
            Stage("read from the store", "test_store_read", "store"),
            Stage("decode the state, without habits", "test_core_state_decode", "store"),
            *_SCORING,
        ),
    ),
    Call(
        "TrackEvent with a score",
        "test_track_and_score",
        (
            _EMPTY_STAGE,
            Stage("decode the event", "test_event_decode", "decode"),
            Stage("read from the store", "test_store_read", "store"),
            Stage("decode the state", "test_state_decode", "store"),
            Stage("fold", "test_fold", "store"),
            Stage("encode and compare-and-set", "test_commit", "store"),
            *_SCORING,
        ),
    ),
)
"""The calls that are measured whole and in parts."""


def adding_up(call: Call, medians: Mapping[str, float], workload: str) -> Table | None:
    """Lay out the stages of a call, their sum, the whole, and what the sum leaves unexplained.

    There are two columns. "By itself" is each stage in a tight loop with warm caches, one stage after the other. "In the call" has
    the timings that the server returned with its predictions, in turn with empty calls: the same code once a call, and at
    the same moment.

    Args:
        call: The call.
        medians: Microseconds by benchmark, with the workload in brackets where it has one; what was timed inside the call is named
            ``<benchmark>.<timing>[<workload>]``.
        workload: The workload.

    Returns:
        The table; None if any part was not measured.
    """

    def find(name: str) -> float:
        with_workload = f"{name}[{workload}]"
        return medians[with_workload] if with_workload in medians else medians[name]

    try:
        alone = [find(stage.benchmark) for stage in call.stages]
        inside = [_inside(call, place, find) for place in range(len(call.stages))]
        wholes = (find(call.benchmark), find(f"{call.benchmark}.{WHOLE}"))
    except KeyError:
        return None
    sums = (sum(alone), sum(micros or 0.0 for micros in inside))

    table = Table(f"{call.label}, {workload}", "by itself, µs", "in the call, µs")
    for stage, micros, micros_inside in zip(call.stages, alone, inside, strict=True):
        table.add_row(stage.label, f"{micros:,.1f}", "" if micros_inside is None else f"{micros_inside:,.1f}")
    table.add_section()
    table.add_row("sum of the stages", *(f"{total:,.1f}" for total in sums))
    table.add_row(f"whole {call.label}", *(f"{whole:,.1f}" for whole in wholes))
    rests = (f"{whole - total:,.1f} ({1 - total / whole:.1%})" for whole, total in zip(wholes, sums, strict=True))
    table.add_row("not explained by a stage", *rests)
    return table


def _inside(call: Call, place: int, find: Callable[[str], float]) -> float | None:
    """Find the time of a stage inside the call; None where the timing is shown at a later stage, which it covers too."""
    stage = call.stages[place]
    if not stage.timing:
        return find(stage.benchmark)
    later = call.stages[place + 1 :]
    return None if later and later[0].timing == stage.timing else find(f"{call.benchmark}.{stage.timing}")
