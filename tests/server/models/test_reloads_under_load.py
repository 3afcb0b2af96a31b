"""New versions take over under load without a failed call; ten kinds of broken ones change nothing."""

from __future__ import annotations

import asyncio
import itertools
import shutil
import time
from contextlib import asynccontextmanager
from functools import partial

import pytest

from benchmarks.proofs.broken_bundles import BROKEN, OLDER, copy_version, put_in_place
from presage.v1 import (
    model_service_pb2,
    model_service_pb2_grpc,
    ranking_service_pb2,
    ranking_service_pb2_grpc,
    scoring_service_pb2,
)
from presage_export.registry import Aliases, replace_aliases
from support.metrics import metrics_text
from support.rankings import write_ranking_bundle
from support.running_server import server_process, serving
from support.worker_processes import channels, stub_of, until

CALLERS = 8
RELOADS = ["2", "3", "2"]
"""Versions that have to take over: the first two because they are the highest, the last one by aliases."""


class Callers:
    """Calls without a pause, and what came of them; a failed one raises."""

    def __init__(self, opened, make_request):
        self._stubs = [stub_of(channel) for channel in opened]
        self._make_request = make_request
        self.seen = []
        """When a call was sent, when its response came, and the version in it."""

    @asynccontextmanager
    async def calling(self):
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(self._call(number)) for number in range(CALLERS)]
            yield
            for task in tasks:
                task.cancel()

    async def _call(self, caller):
        for number in itertools.count():
            sent = time.monotonic()
            response = await self._stubs[caller % len(self._stubs)].Score(
                self._make_request(f"{caller}-{number % 100}")
            )
            self.seen.append((sent, time.monotonic(), response.prediction.model_version))


@pytest.mark.parametrize("workers", [pytest.param("1", marks=pytest.mark.slow), "2"])
async def test_no_call_fails_and_no_response_has_a_wrong_version(models, store, tmp_path, unused_tcp_port, workers):
    folder = tmp_path / "models"
    shutil.copytree(models / "conversion", folder / "conversion")
    conversion = folder / "conversion"
    flags = ("--models", str(folder), "--redis-url", store.url, "--metrics-port", str(unused_tcp_port))
    quick = ("--reload-seconds", "0.1", "--timeout-ms", "60000", "--workers", workers)
    with server_process(tmp_path / "log", *flags, *quick) as server:
        async with channels(server.address, 4) as opened:
            callers = Callers(opened, lambda user_id: scoring_service_pb2.ScoreRequest(user_id=user_id))
            async with callers.calling():
                changes, broken, read = [], list(BROKEN.items()), 0
                for number, version in enumerate(RELOADS):
                    add_broken(conversion, number, broken[4 * number : 4 * number + 4])
                    begun = time.monotonic()
                    let_serve(conversion, version)
                    await until(partial(has_logged, server, f"version {version} serves", read))
                    changes.append((version, begun, time.monotonic()))
                    read = len(server.log)
                    await asyncio.sleep(0.2)

                async def all_reported():
                    text = await metrics_text(unused_tcp_port)
                    return text.count("presage_model_problem{") == len(BROKEN) - 1 and 'reason="older"} 1.0' in text

                await until(all_reported)
                listed = [await rejected_versions(channel) for channel in opened]
    check(callers.seen, changes)
    # Each worker says the same; a version that is only older can be served.
    assert all(len(versions) == len(BROKEN) - 1 and all(versions.values()) for versions in listed)
    log = server.log
    assert log.count("is rejected, and changes nothing") == len(BROKEN) - 1
    assert log.count("is new in the folder, but older than") == 1
    assert "Traceback" not in log


def add_broken(folder, number, kinds):
    """Add a version of each kind."""
    for place, (kind, damage) in enumerate(kinds):
        target = folder / (f"0.{number}{place}" if kind == OLDER else f"{100 + 10 * number + place}")
        staged = copy_version(folder / "1", target)
        damage(staged)
        put_in_place(staged, target)


def let_serve(folder, version):
    """Add a good version, or name it in aliases if it is there."""
    if (folder / version).exists():
        replace_aliases(folder, Aliases(champion=version), now_unix_micros=1, changed_by="me", reason="a test")
    else:
        put_in_place(copy_version(folder / "1", folder / version), folder / version)


async def has_logged(server, line, since):
    return line in server.log[since:]


async def rejected_versions(channel):
    """What a server says of the versions that cannot be served, by version."""
    stub = model_service_pb2_grpc.ModelServiceStub(channel)
    (model,) = (await stub.ListModels(model_service_pb2.ListModelsRequest())).models
    return {
        version.version: version.problem
        for version in model.versions
        if version.state == model_service_pb2.VERSION_STATE_REJECTED
    }


def check(seen, changes):
    """Each response has a version that could serve between the moments at which its call was sent and answered."""
    versions = ["1", *(version for version, _, _ in changes)]
    assert {version for *_, version in seen} == set(versions)
    for sent, answered, version in seen:
        first = sum(ended < sent for _, _, ended in changes)
        last = sum(begun < answered for _, begun, _ in changes)
        assert version in versions[first : last + 1]


@pytest.mark.slow
async def test_a_ranking_model_is_changed_as_others_are(store, tmp_path):
    folder = tmp_path / "models"
    write_ranking_bundle(folder)
    async with serving(redis_url=store.url, models=folder, reload_seconds=0.05) as server:
        stub = ranking_service_pb2_grpc.RankingServiceStub(server.channel)
        request = ranking_service_pb2.RankRequest(user_id="a", candidate_ids=["x", "y"])
        assert (await stub.Rank(request)).basis.model_version == "1"
        put_in_place(copy_version(folder / "ranking" / "1", folder / "ranking" / "2"), folder / "ranking" / "2")
        half = copy_version(folder / "ranking" / "1", folder / "ranking" / "3")
        table = next((half / "tables").iterdir())
        table.write_bytes(table.read_bytes()[:-1])
        put_in_place(half, folder / "ranking" / "3")

        async def taken_over():
            return (await stub.Rank(request)).basis.model_version == "2"

        await until(taken_over)
