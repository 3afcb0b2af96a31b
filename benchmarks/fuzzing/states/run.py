"""The states' fuzzer as a part of the command."""

from __future__ import annotations

import argparse
import faulthandler
import time
from collections import Counter
from collections.abc import Sequence
from random import Random

from rich.console import Console

from benchmarks.custom_features.__main__ import PROJECT
from benchmarks.custom_features.attributes import with_attributes
from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.states.drawing import StateMaker
from benchmarks.fuzzing.states.older import older_blobs
from benchmarks.fuzzing.states.trying import Trial
from benchmarks.ranking.world import World, make_world
from benchmarks.workloads import WORKLOADS, workload
from presage_featurizer import MICROS, Event, State, encode_state
from presage_featurizer.custom import read_custom_features
from presage_featurizer.ranking.compiled import load_kernels
from presage_training.ranking.tables import TableBuilder
from presage_training.replaying.replay import Replay
from presage_training.simulator import simulate

__all__ = ["fuzz_and_show", "fuzz_states", "make_trial"]

_SECONDS = 60.0
"""For a thousand states: more is a hang, which ends this process with a traceback."""
_STEP = 1_000
_SHOWN_EVERY = 100_000
_SIMULATED, _DAYS = 60, 14
_EVENTS = 200


def make_trial(now_unix_micros: int, *, items: int = 500, visitors: int = 20) -> tuple[Trial, list[bytes]]:
    """Make what tries states, and states as releases wrote them."""
    world = make_world(items, visitors, end_unix_micros=now_unix_micros)
    builder = TableBuilder()
    for event in world.events:
        builder.add(event)
    tables = builder.build(now_unix_micros).bound(world.columns)
    load_kernels()
    start = now_unix_micros - _DAYS * 86_400 * MICROS
    log = [
        with_attributes(event) for event in simulate(seed=1, visitors=_SIMULATED, start_unix_micros=start, days=_DAYS)
    ]
    states = _states(log, world)
    events = [*log[:: max(1, len(log) // _EVENTS)], *world.events[:: max(1, len(world.events) // _EVENTS)]]
    blobs = [blob for state in states for blob in (encode_state(state), *older_blobs(state))]
    return Trial(world, tables, events, now_unix_micros), blobs


def fuzz_states(
    trial: Trial, blobs: Sequence[bytes], *, seed: int, numbers: range, findings: Findings, outcomes: Counter[str]
) -> None:
    """Try the states of some numbers."""
    maker = StateMaker(seed, blobs)
    for begin in range(numbers.start, numbers.stop, _STEP):
        faulthandler.dump_traceback_later(_SECONDS, exit=True)
        for number in range(begin, min(begin + _STEP, numbers.stop)):
            blob = maker.draw(number)
            for kind, what in trial.run(Random(number), blob, outcomes):
                findings.add(kind, f"state {number} of {len(blob)} bytes: {what}", blob)
    faulthandler.cancel_dump_traceback_later()


def fuzz_and_show(console: Console, findings: Findings, given: argparse.Namespace, count: int) -> None:
    """Try states, and print what came of them."""
    trial, blobs = make_trial(given.now)
    outcomes: Counter[str] = Counter()
    began = time.perf_counter()
    end = given.first + count
    for begin in range(given.first, end, _SHOWN_EVERY):
        numbers = range(begin, min(begin + _SHOWN_EVERY, end))
        fuzz_states(trial, blobs, seed=given.seed, numbers=numbers, findings=findings, outcomes=outcomes)
        done, seconds = numbers.stop - given.first, time.perf_counter() - began
        console.print(
            f"states: {done:,} of {count:,}, {done / seconds:,.0f} a second, {len(findings.kinds)} kinds of findings"
        )
    console.print(
        f"states, seed {given.seed}, from {given.first:,}: {count:,} in {time.perf_counter() - began:.0f} s: "
        + ", ".join(f"{times:,} {outcome}" for outcome, times in outcomes.most_common()),
        highlight=False,
    )


def _states(log: Sequence[Event], world: World) -> list[State]:
    """Make visitors of all sizes, some with the slots that a project's features need."""
    usual, own = Replay(), Replay(read_custom_features(PROJECT).aggregates)
    for event in log:
        usual.fold(event)
        own.fold(event)
    heavy = [workload(name).state for name in WORKLOADS]
    return [*usual.states.values(), *own.states.values(), *world.states, *heavy, State()]
