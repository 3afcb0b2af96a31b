"""``presage backfill`` beside servers that take events, an archiver, and other backfills."""

from __future__ import annotations

import asyncio
import signal

import pytest

from presage_client import AsyncClient, ClientOptions
from presage_training.traffic.sending import client_event
from support.archives import archive_command, archive_once, kill
from support.backfills import (
    backfill,
    backfill_command,
    encoded,
    replayed,
    run_backfill_command,
    stored,
    write_project,
)
from support.proofs import send_crowded, simulated_sessions
from support.running_server import GENEROUS_SECONDS, server_process

OLD, NEW = 400, 150
PATIENT = ClientOptions(timeout_ms=20_000)


def new_server(store, directory, project):
    """Run a server that has the declarations."""
    flags = ("--redis-url", store.url, "--project", str(project), "--stream-max-events", "0", "--timeout-ms", "20000")
    return server_process(directory / "new.log", *flags)


@pytest.mark.slow
async def test_killed_and_run_twice_at_once_it_gives_the_states_of_a_replay(store, tmp_path):
    """First runs are killed at moments of their own, then two run at once, while events flow and an archiver archives them."""
    project, archive = write_project(tmp_path / "project"), tmp_path / "archive"
    sessions = simulated_sessions(OLD + NEW, seed=6)
    flags = ("--project", str(project), "--visitors-per-second")
    with server_process(tmp_path / "log", "--redis-url", store.url, "--stream-max-events", "0") as server:
        await send_crowded(sessions[:OLD], [server.address], clients=4, seed=1)
    archive_once(store, archive, max_batch_events=500)
    with new_server(store, tmp_path, project) as server:
        archiver = archive_command(store.url, archive, "--flush-seconds", "0.2")
        sending = asyncio.create_task(send_crowded(sessions[OLD:], [server.address], clients=2, seed=2))
        for number in range(3):
            process = backfill_command(store.url, archive, *flags, "300", "--report-seconds", "0.01")
            await asyncio.to_thread(process.stdout.readline)
            await asyncio.sleep(0.05 + 0.2 * number)
            kill(process)
            assert process.returncode == -signal.SIGKILL
        running_now = [asyncio.to_thread(run_backfill_command, store.url, archive, *flags, "600") for _ in range(2)]
        for code, out, err in await asyncio.gather(*running_now):
            assert (code, err) == (0, "")
            assert "ended; done=100% " in out.splitlines()[-1]
        await sending
        kill(archiver)
    expected = encoded(replayed(store))
    assert stored(store, expected) == expected
    assert backfill(store, archive, project=project).written == 0


async def test_a_server_that_remembers_a_state_folds_its_next_event_into_the_backfilled_one(store, tmp_path):
    project, archive = write_project(tmp_path / "project"), tmp_path / "archive"
    session = max(simulated_sessions(40, seed=6), key=len)
    with server_process(tmp_path / "log", "--redis-url", store.url) as server:
        async with AsyncClient(server.address, options=PATIENT) as client:
            for event in session[:2]:
                await client.track(client_event(event))
    archive_once(store, archive)
    with new_server(store, tmp_path, project) as server:
        async with AsyncClient(server.address, options=PATIENT) as client:
            await client.track(client_event(session[2]))  # the server knows the state from now on
            assert backfill(store, archive, project=project).written == 1
            await client.track(client_event(session[3]))
    expected = encoded(replayed(store))
    assert stored(store, expected) == expected


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
async def test_a_signal_ends_it_between_visitors(store, tmp_path, number):
    project, archive = write_project(tmp_path / "project"), tmp_path / "archive"
    with server_process(tmp_path / "log", "--redis-url", store.url) as server:
        await send_crowded(simulated_sessions(100, seed=6), [server.address], clients=4, seed=1)
    archive_once(store, archive)
    flags = ("--project", str(project), "--visitors-per-second", "1", "--report-seconds", "0.01")
    process = backfill_command(store.url, archive, *flags)
    process.stdout.readline()
    process.send_signal(number)
    out, err = process.communicate(timeout=GENEROUS_SECONDS)
    assert (process.returncode, err) == (1, "")
    assert out.splitlines()[-1].startswith("presage backfill: interrupted; run the same again; done=")
    assert backfill(store, archive, project=project).is_complete
    expected = encoded(replayed(store))
    assert stored(store, expected) == expected
