"""``presage backfill`` as an operator meets it when something is wrong."""

from __future__ import annotations

import subprocess
import sys
import time

import pytest

from presage_server.backfill.settings import BackfillSettings
from presage_server.errors import SettingsError
from support.archives import archive_once, log_event
from support.backfills import backfill_command, run_backfill_command, write_project
from support.events import STORY
from support.running_server import GENEROUS_SECONDS
from support.stores import local_store


@pytest.fixture
def project(tmp_path) -> str:
    return str(write_project(tmp_path / "project"))


@pytest.fixture
def archive(store, tmp_path):
    for event in STORY:
        log_event(store.redis, event, fresh=event is STORY[0])
    archive_once(store, tmp_path / "archive")
    return tmp_path / "archive"


def test_nothing_to_do_is_one_line(store, archive):
    code, out, err = run_backfill_command(store.url, archive)
    assert (code, out) == (2, "")
    assert err.startswith("presage backfill: project: is not given, so there is nothing to backfill; ")
    assert err.count("\n") == 1


def test_a_project_that_cannot_be_read_is_one_line(store, archive, tmp_path):
    code, _, err = run_backfill_command(store.url, archive, "--project", str(tmp_path / "nothing"))
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("presage backfill: project: ")


def test_a_folder_that_is_no_archive_is_one_line(store, project, tmp_path):
    code, _, err = run_backfill_command(store.url, tmp_path, "--project", project)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"presage backfill: {tmp_path}/archive.json: cannot be read (No such file or directory); ")


def test_a_damaged_file_is_one_line(store, archive, project):
    damaged = next(archive.glob("events/*/*.parquet"))
    damaged.write_bytes(b"not a table")
    code, _, err = run_backfill_command(store.url, archive, "--project", project)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith(f"presage backfill: {damaged}: cannot be read (")


def test_a_store_that_cannot_be_reached_is_one_line(archive, project, tmp_path):
    code, _, err = run_backfill_command(f"unix://{tmp_path}/nobody.sock", archive, "--project", project)
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("presage backfill: redis_url: the store cannot be used: ")


def test_a_store_that_is_read_only_is_waited_for_until_it_is_interrupted(archive, tmp_path, short_directory):
    with local_store(short_directory / "replica.sock") as replica:
        replica.redis.replicaof("127.0.0.1", "1")
        process = backfill_command(replica.url, archive, "--rebuild", "--state-ttl-days", "3650")
        line = process.stderr.readline()
        process.terminate()
        _, err = process.communicate(timeout=GENEROUS_SECONDS)
    assert line.startswith("presage backfill: the store does not answer (")
    assert "read only" in line
    assert process.returncode == 2
    assert err.count("\n") == 1
    assert err.startswith("presage backfill: redis_url: the store went away (")


def test_a_store_that_is_full_is_one_line(archive, short_directory):
    with local_store(short_directory / "full.sock") as full:
        full.redis.config_set("maxmemory", 1)
        code, _, err = run_backfill_command(full.url, archive, "--rebuild", "--state-ttl-days", "3650")
    assert (code, err.count("\n")) == (2, 1)
    assert err.startswith("presage backfill: redis_url: the store refuses: ")


def test_a_store_that_restarts_is_waited_for(archive, short_directory):
    with local_store(short_directory / "restarting.sock") as restarting:
        # Its first call gets no answer, so that it cannot have ended before the store stops.
        restarting.redis.client_pause(round(GENEROUS_SECONDS * 1_000), all=False)
        process = backfill_command(restarting.url, archive, "--rebuild", "--state-ttl-days", "3650")
        while not restarting.redis.info("clients")["blocked_clients"]:
            assert process.poll() is None
            time.sleep(0.01)
        restarting.stop()
        line = process.stderr.readline()
        restarting.start()
        out, err = process.communicate(timeout=GENEROUS_SECONDS)
        assert line.startswith("presage backfill: the store does not answer (")
        assert err.endswith("the store answers again\n")
        assert process.returncode == 0
        assert " restored=" in out.splitlines()[-1]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("redis_url", "http://store"),
        ("visitors_per_second", -1.0),
        ("visitors_per_second", float("nan")),
        ("state_ttl_days", 0.0),
        ("max_batch_events", 0),
        ("report_seconds", 0.0),
        ("timeout_seconds", 0.0),
        ("patience_seconds", -1.0),
    ],
)
def test_a_setting_that_cannot_work_is_named(tmp_path, field, value):
    values = {"archive": tmp_path, "redis_url": "redis://store", field: value}
    with pytest.raises(SettingsError, match=f"^{field}: expected "):
        BackfillSettings(**values)


def test_help_needs_neither_arrow_nor_the_stores_client():
    program = "import sys, presage_server.backfill.command; print({'pyarrow', 'redis'} & sys.modules.keys())"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "set()\n"
