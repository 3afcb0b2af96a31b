"""A few hundred mutated requests on every RPC; ``make fuzz`` sends a million to each transport."""

from __future__ import annotations

import time

import pytest

from benchmarks.fuzzing.findings import Findings
from benchmarks.fuzzing.requests.drawing import RequestMaker
from benchmarks.fuzzing.requests.examples import examples_of, vocabulary_of
from benchmarks.fuzzing.requests.methods import METHODS
from benchmarks.fuzzing.requests.run import RequestReport, run_round
from benchmarks.fuzzing.requests.server import MAX_MESSAGE_BYTES, PLACEMENTS, make_setting, write_models
from benchmarks.rig.server_parts import store_items
from support.running_server import serving

COUNT = 300
USUAL_WEIGHT = 20
"""Methods with less are slow, and drawn too seldom to be sure to be among so few requests."""
SEED = 1


@pytest.fixture(scope="module")
def setting():
    return make_setting(time.time_ns() // 1_000 - 60_000_000, items=200, visitors=8)


@pytest.fixture(scope="module")
def fuzzed_models(tmp_path_factory):
    return write_models(tmp_path_factory.mktemp("models"))


async def test_mutated_requests_break_nothing(setting, fuzzed_models, store, each_transport, tmp_path):
    placements = tmp_path / "placements.toml"
    placements.write_text(PLACEMENTS)
    store_items(store.url, setting.world.columns)
    maker = RequestMaker(SEED, examples_of(setting.subjects), vocabulary_of(setting.subjects))
    report, findings = RequestReport(each_transport, SEED), Findings()
    settings = {
        "max_message_bytes": MAX_MESSAGE_BYTES,
        "timeout_ms": 60_000,
        "stream_max_events": 0,
        "allow_set_aliases": True,
    }
    async with serving(redis_url=store.url, models=fuzzed_models, placements=str(placements), **settings) as served:
        requests = map(maker.draw, range(COUNT))
        await run_round(served.address, store.url, setting, requests, report, findings, [])
    assert findings.examples == []
    statuses = report.tally.statuses
    assert {name for name, _ in statuses} >= {method.name for method in METHODS if method.weight >= USUAL_WEIGHT}
    assert statuses.total() == COUNT
    assert sum(count for (_, status), count in statuses.items() if status == "OK") > COUNT / 5
    assert report.streamed == report.tally.applied.total() > 10
    assert report.rejected_again > COUNT / 4
