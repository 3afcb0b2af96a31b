"""A few of the faults of `make chaos`, small: what the store loses is counted, and all else is there once."""

from __future__ import annotations

from dataclasses import replace

import pytest

from benchmarks.chaos.__main__ import FAULTS
from benchmarks.chaos.run import run_fault
from benchmarks.chaos.world import Rates
from benchmarks.rig.command import MissingRequirementError

SMALL = Rates(events_per_second=60, scores_per_second=60)


async def run(name, transport, folder):
    (fault,) = (fault for fault in FAULTS if fault.name == name)
    try:
        return await run_fault(replace(fault, rates=SMALL), transport, folder)
    except MissingRequirementError as missing:
        pytest.skip(str(missing))


@pytest.mark.slow
async def test_what_the_store_loses_is_counted(tmp_path):
    outcome = await run("embedded store killed while an fsync takes 1.5 s", "native", tmp_path)
    assert outcome.problems == ()
    assert outcome.counted == outcome.audit.lost > 0


async def test_a_server_that_is_killed_loses_nothing(tmp_path):
    outcome = await run("server killed, started again", "grpcio", tmp_path)
    assert outcome.problems == ()
    assert outcome.failed > 0
    assert outcome.audit.acknowledged > 60
