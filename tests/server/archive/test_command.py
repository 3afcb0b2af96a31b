"""``presage archive`` as an operator meets it: killed, stopped, and with things in its way."""

from __future__ import annotations

import asyncio
import os
import pty
import signal
import subprocess
import sys
import time
from pathlib import Path
from random import Random

import pytest

from presage_featurizer import encode_state
from presage_server.settings import shipped_models
from presage_server.store.snapshot import REVISION_BYTES
from presage_training.audit import Models, audit
from presage_training.readers.formats.archive import read_archive, read_archived_vectors
from presage_training.readers.skipped_rows import SkippedRows
from presage_training.replaying.replay import Replay
from support.archives import (
    archive_command,
    archive_once,
    assert_equal_to_streams,
    kill,
    log_event,
    places,
    read,
    run_archive,
)
from support.events import STORY
from support.proofs import send_crowded, simulated_sessions
from support.running_server import GENEROUS_SECONDS, server_process
from support.stores import local_store

KILLS = 20
SESSIONS = 300


@pytest.mark.slow
async def test_killed_twenty_times_while_events_flow_it_holds_the_streams_and_gives_the_states_back(store, tmp_path):
    """Each run is killed at a moment of its own, before, between and within its commits, while servers take events."""
    random = Random(5)
    archive = tmp_path / "archive"
    sessions = simulated_sessions(SESSIONS, seed=3)
    slices = [sessions[number::KILLS] for number in range(KILLS)]
    flags = ("--redis-url", store.url, "--models", str(shipped_models()), "--stream-max-events", "0")
    flags += ("--sample-vectors-share", "0.5")
    growth = []
    with server_process(tmp_path / "log", *flags) as server:
        for number, some in enumerate(slices):
            process = archive_command(store.url, archive, "--flush-seconds", "0.01", "--max-batch-events", "40")
            sending = asyncio.create_task(send_crowded(some, [server.address], clients=4, seed=number))
            if number % 4:
                await asyncio.to_thread(process.stdout.readline)
                await asyncio.sleep(random.uniform(0.0, 0.2))
            else:
                await asyncio.sleep(random.uniform(0.3, 0.5))
            kill(process)
            growth.append(len(places(archive)))
            await sending
    assert growth == sorted(growth), "something vanished"
    assert len(set(growth)) > KILLS // 2, "most runs should have written something"
    code, out, err = run_archive(store.url, archive, "--once")
    assert (code, err) == (0, "")
    assert " lag=0 worst_lag=0 lost=0 " in out
    assert_equal_to_streams(archive, store.redis)
    vectors = list(read_archived_vectors(archive))
    assert len(vectors) > SESSIONS
    result = audit(
        read_archive(archive, skipped=SkippedRows()), vectors, Models.read(shipped_models(), warn=pytest.fail)
    )
    assert (result.same, result.scores) == (len(vectors), len(vectors))

    replay = Replay()
    for archived in read(archive):
        replay.fold(archived.event, fresh=archived.fresh)
    assert len(replay.states) > SESSIONS // 4
    stored = {user_id: (store.blob(user_id) or b"")[REVISION_BYTES:] for user_id in replay.states}
    assert stored == {user_id: encode_state(state) for user_id, state in replay.states.items()}
    assert sum(1 for _ in store.redis.scan_iter("*:u:*")) == len(stored)


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_signal_writes_what_was_read_and_ends(store, tmp_path, number):
    log_event(store.redis, STORY[0])
    process = archive_command(store.url, tmp_path, "--report-seconds", "0.01")
    try:
        first = process.stdout.readline()
        assert first.startswith("presage archive: archived=0 pending=1 pending_seconds=")
        process.send_signal(number)
        out, err = process.communicate(timeout=GENEROUS_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert out.splitlines()[-1] == (
        "presage archive: ended; archived=1 pending=0 pending_seconds=0 lag=0 worst_lag=0 lost=0 files=1 changes=0"
    )
    assert_equal_to_streams(tmp_path, store.redis)


def test_a_terminal_shows_the_lag_in_place(store, tmp_path):
    log_event(store.redis, STORY[0])
    ours, its = pty.openpty()
    process = archive_command(store.url, tmp_path, "--once", stderr=its)
    os.close(its)
    shown = b""
    try:
        while chunk := os.read(ours, 65_536):
            shown += chunk
    except OSError:  # how Linux says that the other end is closed
        pass
    finally:
        os.close(ours)
        process.communicate(timeout=GENEROUS_SECONDS)
    assert process.returncode == 0
    assert "lag: not read yet" in shown.decode()


def test_a_loss_is_reported_and_ends_a_single_run_with_1(store, tmp_path):
    archive_once(store, tmp_path)
    for event in STORY:
        log_event(store.redis, event, max_events=4)
    code, out, err = run_archive(store.url, tmp_path, "--once")
    assert code == 1
    assert err.startswith(f"presage archive: LOST: {len(STORY) - 4} events left the streams")
    assert f" lost={len(STORY) - 4} " in out


def test_a_store_that_cannot_be_reached_is_one_line(tmp_path):
    code, out, err = run_archive(f"unix://{tmp_path}/nobody.sock", tmp_path / "archive")
    assert (code, out) == (2, "")
    assert err.startswith("presage archive: redis_url: the store cannot be used: ")
    assert err.count("\n") == 1
    assert not (tmp_path / "archive").exists()


@pytest.mark.parametrize("url", ["http://store", "redis://store:port"])
def test_a_url_that_makes_no_sense_is_one_line(tmp_path, url):
    code, _, err = run_archive(url, tmp_path)
    assert code == 2
    assert err.startswith("presage archive: redis_url: ")
    assert err.count("\n") == 1


def test_a_store_that_goes_away_ends_a_single_run_with_one_line(short_directory, tmp_path):
    with local_store(short_directory / "leaving.sock") as leaving:
        pipeline = leaving.redis.pipeline(transaction=False)
        for number in range(20_000):
            pipeline.xadd(f"{{p{number % 1024}}}:events", {"event": b"x"})
        pipeline.execute()
        process = archive_command(leaving.url, tmp_path, "--once", "--max-batch-events", "1")
        process.stdout.readline()
        leaving.stop()
        _, err = process.communicate(timeout=GENEROUS_SECONDS)
    assert process.returncode == 2
    assert err.startswith("presage archive: redis_url: the store went away (")
    assert err.count("\n") == 1


def test_a_folder_that_cannot_be_written_is_one_line(store, tmp_path):
    (tmp_path / "file").write_text("")
    code, out, err = run_archive(store.url, tmp_path / "file" / "archive", "--once")
    assert (code, out) == (2, "")
    assert err == (
        f"presage archive: {tmp_path}/file/archive: cannot be written: Not a directory; "
        "nothing is lost while the streams hold it: fix that and start again\n"
    )


def test_a_folder_in_use_is_one_line(store, tmp_path):
    process = archive_command(store.url, tmp_path)
    try:
        process.stdout.readline()
        code, _, err = run_archive(store.url, tmp_path, "--once")
    finally:
        kill(process)
    assert code == 2
    assert err == f"presage archive: {tmp_path}: is in use by another presage archive; give this one its own\n"


def test_a_disk_without_room_is_one_line_and_nothing_is_lost(store, tmp_path):
    """A limit of the shell on the size of files stands in for the disk: the checkpoint fits, the events do not."""
    archive_once(store, tmp_path)
    random = Random(1)
    for number in range(300):
        noise = STORY[0].__class__(f"{number}-{random.getrandbits(8_000):x}", STORY[0].type, "visitor", 10**15)
        log_event(store.redis, noise)
    code, _, err = run_archive(store.url, tmp_path, "--once", shell_limit="ulimit -f 200")
    assert code == 2
    assert err == (
        f"presage archive: {tmp_path}: cannot be written: File too large; "
        "nothing is lost while the streams hold it: fix that and start again\n"
    )
    assert list(Path(tmp_path).rglob("*.parquet")) == []
    code, _, err = run_archive(store.url, tmp_path, "--once")
    assert (code, err) == (0, "")
    assert_equal_to_streams(tmp_path, store.redis)


def test_help_needs_neither_arrow_nor_the_stores_client():
    """The command line loads every command for its own help, and an install without the training extra has no Arrow."""
    program = "import sys, presage_server.archive.command; print({'pyarrow', 'redis'} & sys.modules.keys())"
    finished = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert finished.stdout == "set()\n"


def test_progress_is_printed_in_lines_while_it_waits(store, tmp_path):
    process = archive_command(store.url, tmp_path, "--report-seconds", "0.01", "--flush-seconds", "0.05")
    try:
        process.stdout.readline()
        log_event(store.redis, STORY[0])
        deadline = time.monotonic() + GENEROUS_SECONDS
        while time.monotonic() < deadline:
            if "archived=1 pending=0" in process.stdout.readline():
                break
        else:
            pytest.fail("the event was not archived")
    finally:
        kill(process)
    assert_equal_to_streams(tmp_path, store.redis)
