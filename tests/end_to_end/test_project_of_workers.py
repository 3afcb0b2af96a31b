"""A project whose folder is changed while several workers serve it: all of them keep to what it was at the start."""

from __future__ import annotations

import os
import shutil
import signal
import sys

import pytest

from benchmarks.custom_features.__main__ import PROJECT
from presage_featurizer.custom import read_custom_features
from support.bundles import write_small_bundle
from support.metrics import metric
from support.running_server import server_process
from support.worker_processes import until, workers_of

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="workers share a port on Linux only")


@pytest.mark.slow
@pytest.mark.parametrize(
    "change",
    [
        "a line is removed",
        *(pytest.param(slow, marks=pytest.mark.slow) for slow in ("a line is added", "the folder is gone")),
    ],
)
async def test_a_restarted_worker_serves_what_the_others_do(store, tmp_path, unused_tcp_port, change):
    project = shutil.copytree(PROJECT, tmp_path / "project")
    own = read_custom_features(project)
    write_small_bundle(tmp_path / "models", name="shop", feature_set=own.feature_set)
    flags = ("--redis-url", store.url, "--models", str(tmp_path / "models"), "--project", str(project))
    flags += ("--workers", "2", "--metrics-port", str(unused_tcp_port))

    async def two_serve_again() -> bool:
        return (
            await metric(unused_tcp_port, "presage_worker_restarts_total") == 1
            and await metric(unused_tcp_port, "presage_workers") == 2
        )

    with server_process(tmp_path / "log", *flags) as server:
        lines = (project / "features.toml").read_text().splitlines(keepends=True)
        if change == "a line is removed":
            (project / "features.toml").write_text("".join(line for line in lines if "brands_viewed" not in line))
        elif change == "a line is added":
            added = 'any_events = { aggregate = "count", over = "visitor" }\n'
            (project / "features.toml").write_text("".join([*lines, added]))
        else:
            shutil.rmtree(project)
        os.kill(workers_of(server)[0], signal.SIGKILL)
        await until(two_serve_again)
        facts = f"{len(own.catalogue)} of its own, {len(own.aggregates.aggregates)} aggregates of each visitor"
        assert server.log.count(facts) == 3
        assert "is tried again" not in server.log
