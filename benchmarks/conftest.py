"""Fixtures of the stage benchmarks: the shipped model, a store and a server with the workloads' visitors; and the closing table."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import Any

import grpc
import pytest
import redis
import uvloop
from rich.console import Console

from benchmarks.adding_up import CALLS, adding_up
from benchmarks.rig.serving import local_store, presage_serve
from benchmarks.workloads import WORKLOADS, Workload, workload
from presage.v1 import scoring_service_pb2, scoring_service_pb2_grpc
from presage_server.models.loading import load_models
from presage_server.models.model import Model
from presage_server.settings import shipped_models
from presage_server.store.keys import state_key
from presage_server.store.snapshot import Change, read_snapshot

_MEDIANS = pytest.StashKey[dict[str, float]]()


@pytest.fixture(params=WORKLOADS)
def visitor(request: pytest.FixtureRequest) -> Workload:
    return workload(request.param)


@pytest.fixture(scope="session")
def model() -> Model:
    return load_models(shipped_models())[""]


@pytest.fixture(scope="session")
def runner() -> Iterator[asyncio.Runner]:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        yield runner


@pytest.fixture(scope="session")
def store_url() -> Iterator[str]:
    with local_store() as url:
        yield url


@pytest.fixture
def stored(store_url: str, visitor: Workload) -> Workload:
    """The visitor, in the store as it was before the next event."""
    change = Change(visitor.user_id, read_snapshot(None), visitor.state, ())
    with redis.Redis.from_url(store_url) as client:
        client.set(state_key(visitor.user_id), change.blob(visitor.now_unix_micros, b"wr"))
    return visitor


@dataclass(frozen=True, slots=True)
class Server:
    """``presage serve`` on the store, and blocking calls to it over one channel."""

    stub: Any
    """Of ScoringService."""
    empty: Callable[[], Any]
    """An empty call, on the same way as others: ScoreVectors without any."""


@pytest.fixture(scope="session")
def server(store_url: str) -> Iterator[Server]:
    with presage_serve(store_url) as address, grpc.insecure_channel(address) as channel:
        grpc.channel_ready_future(channel).result(10)
        stub = scoring_service_pb2_grpc.ScoringServiceStub(channel)
        yield Server(stub, partial(stub.ScoreVectors, scoring_service_pb2.ScoreVectorsRequest(), timeout=1.0))


@pytest.fixture(autouse=True)
def median(request: pytest.FixtureRequest) -> Iterator[None]:
    """Keep each benchmark's median, in microseconds, for the closing table."""
    benchmark = request.getfixturevalue("benchmark")
    yield
    medians = request.config.stash.setdefault(_MEDIANS, {})
    if benchmark.stats is not None:
        medians[request.node.name] = benchmark.stats.stats.median * 1e6
    medians.update(benchmark.extra_info)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(config: pytest.Config) -> None:
    """Show whether the stages add up to the whole, where all of them were measured."""
    medians = config.stash.get(_MEDIANS, {})
    console = Console()
    for call in CALLS:
        for name in WORKLOADS:
            table = adding_up(call, medians, name)
            if table is not None:
                console.print(table)
