"""Changes of the models in real workers: all of them change, or none does."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import sys

import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.models.loading import load_models, plan_of
from presage_server.models.reloading import ApplyError
from presage_server.settings import Settings
from presage_server.workers import all_or_none
from presage_server.workers.all_or_none import AllOrNone
from presage_server.workers.process import WorkerProcess
from support.bundle_files import copy_bundle
from support.running_server import gone
from support.worker_processes import channels, stub_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections")


@pytest.fixture
def folder(models, tmp_path):
    """With a version 2, which nobody serves at first."""
    folder = tmp_path / "models"
    shutil.copytree(models / "conversion", folder / "conversion")
    return folder


@pytest.fixture
async def workers(folder, store):
    """Two workers on ports of their own, so that a test can ask each of them; they serve version 1."""
    settings = Settings(models=folder, redis_url=store.url, port=0, follow_items=False, timeout_ms=60_000)
    plan = plan_of(load_models(folder))
    started = [await WorkerProcess.start(number, settings, None, plan) for number in range(2)]
    try:
        yield [(worker, await worker.until_ready()) for worker in started], plan
    finally:
        for worker in started:
            await worker.end()


def plan_with(folder, version):
    copy_bundle(folder / "conversion" / "1", folder / "conversion" / version)
    return plan_of(load_models(folder))


async def versions(workers):
    found = []
    for _, address in workers:
        async with channels(address, 1) as (channel,):
            response = await stub_of(channel).Score(pb.ScoreRequest(user_id="a"))
            found.append(response.prediction.model_version)
    return found


async def test_all_change_or_none_does_when_one_does_not_answer_or_cannot(workers, folder, monkeypatch):
    workers, first = workers
    monkeypatch.setattr(all_or_none, "_PREPARE_SECONDS", 3.0)
    models = AllOrNone(lambda: [worker for worker, _ in workers], first)
    second = plan_with(folder, "2")

    os.kill(workers[1][0].pid, signal.SIGSTOP)
    with pytest.raises(ApplyError, match="worker 1 did not prepare within 3 s"):
        await models.change(second)
    os.kill(workers[1][0].pid, signal.SIGCONT)
    assert (await versions(workers), models.plan) == (["1", "1"], first)

    # What was verified has been replaced since then.
    hidden = (folder / "conversion" / "2").rename(folder / "conversion" / ".2")
    with pytest.raises(ApplyError, match=r"conversion/2/manifest\.json: is missing") as failed:
        await models.change(second)
    assert (failed.value.key, await versions(workers), models.plan) == (("conversion", "2"), ["1", "1"], first)

    hidden.rename(folder / "conversion" / "2")
    await models.change(second)
    assert (await versions(workers), models.plan) == (["2", "2"], second)


async def test_a_worker_that_does_not_carry_out_what_all_have_prepared_is_ended(workers, folder, monkeypatch):
    """Its successor serves what the others do."""
    workers, first = workers
    models = AllOrNone(lambda: [worker for worker, _ in workers], first)
    second = plan_with(folder, "2")
    victim, request = workers[1][0], WorkerProcess.request

    async def request_and_hang(worker, command, seconds, **message):
        if worker is victim and command == "commit":
            os.kill(victim.pid, signal.SIGSTOP)
        return await request(worker, command, seconds, **message)

    monkeypatch.setattr(WorkerProcess, "request", request_and_hang)
    monkeypatch.setattr(all_or_none, "_COMMIT_SECONDS", 0.5)
    await models.change(second)
    assert gone(victim.pid)
    assert (await versions(workers[:1]), models.plan) == (["2"], second)


async def test_no_worker_starts_while_models_change_and_none_change_while_one_starts(monkeypatch):
    monkeypatch.setattr(all_or_none, "_START_SECONDS", 0.1)
    models = AllOrNone(list)
    async with models.starting():
        with pytest.raises(ApplyError, match=r"a worker has been starting for more than 0\.1 s"):
            await models.change(plan_of_nothing())
    async with models._held():
        start = asyncio.create_task(anext(aiter_of(models.starting())))
        await asyncio.sleep(0.05)
        assert not start.done()
    await start


def plan_of_nothing():
    from presage_server.models.plan import Plan

    return Plan()


async def aiter_of(context):
    async with context:
        yield
