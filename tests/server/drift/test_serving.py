"""A server counts what it serves, and leaves the counts in the store."""

from __future__ import annotations

import pytest

from presage.v1 import scoring_service_pb2
from presage_export.drift import HOUR_MICROS
from presage_server.clock import system_clock
from presage_server.drift.baselines import find_baseline
from presage_server.drift.stored_hours import read_hours
from support.drifting_server import write_bundle_with_baseline
from support.running_server import serving


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    write_bundle_with_baseline(folder)
    return folder


@pytest.mark.slow
@pytest.mark.parametrize("count_served", [True, False])
async def test_scores_are_counted_unless_told_otherwise(store, models, count_served):
    first = system_clock() // HOUR_MICROS
    async with serving(redis_url=store.url, models=models, count_served=count_served) as server:
        for number in range(5):
            await server.stub.Score(scoring_service_pb2.ScoreRequest(user_id=f"visitor-{number % 3}"))
    version = find_baseline(models / "conversion" / "1")
    hours, _ = read_hours(store.redis, version, first=first, last=system_clock() // HOUR_MICROS)
    assert sum(hour.rows for hour in hours) == (5 if count_served else 0)
    assert sum((hour.visitors > 0).sum() for hour in hours) == (3 if count_served else 0)
