"""Fixtures of the whole suite: a store and served models, made once for each worker, and a server in this process."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from hypothesis import settings

# A busy machine is no defect, and neither is a slow first example.
settings.register_profile("presage", deadline=None, max_examples=40, derandomize=True)
settings.register_profile("thorough", deadline=None, max_examples=400)  # pytest --hypothesis-profile=thorough
settings.load_profile("presage")


@pytest.fixture(scope="session")
def short_directory() -> Iterator[Path]:
    """A directory whose path is short enough for unix sockets."""
    with tempfile.TemporaryDirectory(prefix="presage-test-") as directory:
        yield Path(directory)


@pytest.fixture(scope="session")
def models(tmp_path_factory) -> Path:
    """A folder of two bundles: ``conversion`` version 1, and ``second`` version 2 with the feature set ``paris``."""
    from support.bundles import PARIS, write_small_bundle

    directory = tmp_path_factory.mktemp("models")
    write_small_bundle(directory)
    write_small_bundle(directory, name="second", version="2", feature_set=PARIS, seed=5)
    return directory


@pytest.fixture(scope="session")
def shared_store(short_directory):
    """One store for all tests of a worker; ask for ``store`` instead."""
    from support.stores import local_store

    with local_store(short_directory / "shared.sock") as store:
        yield store


@pytest.fixture
def store(shared_store):
    """An empty store."""
    shared_store.redis.flushall()
    return shared_store


@pytest.fixture(scope="session")
def shared_cluster():
    """One cluster for all tests of the group ``cluster``; ask for ``cluster`` instead."""
    from benchmarks.rig.local_cluster import local_cluster
    from support.clusters import ClusterUnderTest

    # However busy the machine is, no server counts as failed.
    with local_cluster(node_timeout_millis=30_000) as running:
        yield ClusterUnderTest(running)


@pytest.fixture
def cluster(shared_cluster):
    """An empty cluster of three masters with a replica each. Tests that want it are of the group ``cluster``."""
    shared_cluster.empty()
    return shared_cluster


@pytest.fixture(params=["grpcio", "native"])
def each_transport(request, monkeypatch) -> str:
    """Runs a test once with each transport."""
    from support import running_server

    monkeypatch.setattr(running_server, "carried_by", request.param)
    return request.param


@pytest.fixture
async def served(store, models) -> AsyncIterator[object]:
    """A server in this process, on an empty store and with two models."""
    from support.running_server import serving

    async with serving(redis_url=store.url, models=models) as server:
        yield server


@pytest.fixture
def servicer():
    """A servicer that answers as a test says."""
    from support.scripted_servicer import ScriptedServicer

    return ScriptedServicer()


@pytest.fixture
def target(servicer) -> Iterator[str]:
    """The address of a server of it."""
    from support.scripted_servicer import serving

    with serving(servicer) as target:
        yield target
