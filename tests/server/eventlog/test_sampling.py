"""The sample of served vectors: chosen by chance, never in the way of a score, and what is dropped is counted."""

from __future__ import annotations

import asyncio

import msgspec

from presage_featurizer.event_log import encode_served_vector
from presage_server.errors import StoreUnavailableError
from presage_server.eventlog.sampling import Sampler
from presage_server.telemetry.metrics import Metrics
from support.vectors import a_vector

VECTOR = a_vector()


class Store:
    """Takes vectors, or does not."""

    def __init__(self, failures: int = 0) -> None:
        self.taken: list[bytes] = []
        self.failures = failures
        self.hangs = False

    async def log_vector(self, user_id, encoded):
        assert user_id == VECTOR.user_id
        if self.hangs:
            await asyncio.Event().wait()
        if self.failures:
            self.failures -= 1
            raise StoreUnavailableError("away")
        self.taken.append(encoded)


def counted(metrics, outcome):
    return metrics.registry.get_sample_value("presage_sampled_vectors_total", {"outcome": outcome})


async def until(condition):
    async with asyncio.timeout(20):
        while not condition():  # noqa: ASYNC110 - the sampler tells nobody
            await asyncio.sleep(0.001)


def test_the_share_is_drawn_by_chance():
    draws = iter([0.0, 0.09, 0.1, 0.99])
    sampler = Sampler(share=0.1, random=lambda: next(draws), metrics=Metrics())

    assert [sampler.draws() for _ in range(4)] == [True, True, False, False]


async def test_what_is_offered_is_logged_in_order(monkeypatch):
    monkeypatch.setattr("presage_server.eventlog.sampling._RETRY_SECONDS", 0.0)
    metrics, store = Metrics(), Store(failures=1)
    sampler = Sampler(share=1.0, random=lambda: 0.0, metrics=metrics)
    task = asyncio.create_task(sampler.run(store))
    vectors = [msgspec.structs.replace(VECTOR, as_of_unix_micros=number) for number in range(5)]
    for vector in vectors:
        sampler.offer(vector)
    await until(lambda: len(store.taken) == 4)
    task.cancel()

    assert store.taken == [encode_served_vector(vector) for vector in vectors[1:]]
    assert (counted(metrics, "logged"), counted(metrics, "dropped")) == (4, 1)


async def test_a_store_that_hangs_costs_vectors_not_memory():
    metrics, store = Metrics(), Store()
    store.hangs = True
    sampler = Sampler(share=1.0, random=lambda: 0.0, metrics=metrics)
    task = asyncio.create_task(sampler.run(store))
    await asyncio.sleep(0)
    for _ in range(3_000):
        sampler.offer(VECTOR)
    task.cancel()

    assert counted(metrics, "dropped") == 2_000
