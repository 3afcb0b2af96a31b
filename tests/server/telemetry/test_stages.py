"""How long stages took."""

from __future__ import annotations

import pytest

from presage_server.telemetry import stages as module
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stages import STAGES, Stages


@pytest.fixture
def stages(monkeypatch) -> Stages:
    """Marked at known moments, one of the stages twice."""
    moments = iter([10.5, 12.5, 13.0])
    monkeypatch.setattr(module, "monotonic", lambda: next(moments))
    marked = Stages(10.0)
    for name in ("store", "model", "store"):
        marked.mark(name)
    return marked


def test_a_stage_lasts_from_the_end_of_the_one_before(stages):
    assert stages.seconds() == {"store": 1.0, "model": 2.0}
    assert stages.ended == 13.0


def test_a_batch_without_stages_ends_when_it_starts():
    assert Stages(10.0).seconds() == {}
    assert Stages(10.0).ended == 10.0


def test_the_stages_of_a_batch_are_observed_for_each_of_its_calls(stages):
    metrics = Metrics()
    metrics.observe_stages(stages, 5)
    value = metrics.registry.get_sample_value
    assert value("presage_stage_seconds_count", {"stage": "store"}) == 5
    assert value("presage_stage_seconds_sum", {"stage": "model"}) == 10.0
    shown = {stage: value("presage_stage_seconds_count", {"stage": stage}) for stage in STAGES}
    assert shown == dict.fromkeys(STAGES, 0) | {"store": 5, "model": 5}
