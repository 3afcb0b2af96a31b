"""The collector kept calm while a process serves, and as it was afterwards."""

from __future__ import annotations

import asyncio
import gc

from presage_server.interpreter import calmed
from presage_server.metrics import Metrics


async def test_pauses_and_lag_are_counted_and_all_is_as_before_afterwards():
    metrics, thresholds, callbacks = Metrics(), gc.get_threshold(), list(gc.callbacks)
    with calmed(metrics):
        assert gc.get_freeze_count() > 0
        assert gc.get_threshold()[0] > thresholds[0]
        gc.collect()
        async with asyncio.timeout(20):
            while not sum(metrics.loop_lag.counts):  # noqa: ASYNC110 - it tells nobody
                await asyncio.sleep(0.01)
    counted = sum(metrics.gc_pauses.counts)
    gc.collect()

    assert counted == sum(metrics.gc_pauses.counts) >= 1
    assert gc.get_threshold() == thresholds
    assert gc.callbacks == callbacks
    assert gc.get_freeze_count() == 0
