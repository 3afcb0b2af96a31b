"""Served vectors, logged, archived and audited, with a real server and ``presage audit`` as an operator runs it."""

from __future__ import annotations

import asyncio
import subprocess
import sysconfig
import time
from pathlib import Path

import pyarrow as pa
from pyarrow import parquet
from redis import Redis

from presage_featurizer import CONVERSION
from presage_server.settings import shipped_models
from support.archives import archive_once, logged_vectors
from support.proofs import send_crowded, simulated_sessions
from support.running_server import GENEROUS_SECONDS, server_process

SESSIONS = 60


def run_audit(*arguments: str) -> tuple[int, str]:
    command = [Path(sysconfig.get_path("scripts"), "presage"), "audit", *arguments]
    done = subprocess.run(command, capture_output=True, text=True, timeout=GENEROUS_SECONDS, check=False)
    return done.returncode, done.stdout + done.stderr


async def test_every_served_vector_comes_back_from_the_archive(store, tmp_path):
    flags = ("--redis-url", store.url, "--sample-vectors-share", "1", "--stream-max-events", "0")
    with server_process(tmp_path / "log", *flags) as server, Redis.from_url(store.url) as redis:
        answers = await send_crowded(simulated_sessions(SESSIONS, seed=4), [server.address], clients=4, seed=4)
        deadline = time.monotonic() + GENEROUS_SECONDS
        while len(logged_vectors(redis)) < len(answers) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)
    archive_once(store, tmp_path / "archive", max_batch_events=500)
    audited = (str(tmp_path / "archive"), "--models", str(shipped_models()))
    count = f"{len(answers):,}"

    assert run_audit(*audited) == (
        0,
        f"presage audit: {count} vectors the same, 0 different, 0 not comparable; {count} scores checked\n",
    )

    path = min((tmp_path / "archive").glob("vectors/day=*/*.parquet"))
    table = parquet.read_table(path, partitioning=None)
    values = table["values"].to_pylist()
    values[0][CONVERSION.features.index("product_views")] += 1.0
    place = table.schema.get_field_index("values")
    planted = table.set_column(place, table.schema.field(place), pa.array(values, table.schema.field(place).type))
    parquet.write_table(planted, path)
    code, said = run_audit(*audited)
    assert code == 1
    assert "1 different" in said
    assert "product_views: served " in said


async def test_nothing_is_logged_unless_it_is_asked_for(store, tmp_path):
    with server_process(tmp_path / "log", "--redis-url", store.url) as server, Redis.from_url(store.url) as redis:
        await send_crowded(simulated_sessions(20, seed=4), [server.address], clients=1, seed=4)
        assert not logged_vectors(redis)


def test_a_folder_that_is_no_archive_is_said_in_a_sentence(tmp_path):
    code, said = run_audit(str(tmp_path))

    assert code == 2
    assert said.startswith("presage audit: ")
    assert "holds no archive.json" in said
