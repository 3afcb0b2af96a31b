"""``presage forget`` beside a server that takes events and scores, an archiver and an audit, none of which is stopped."""

from __future__ import annotations

import asyncio
import subprocess
import sysconfig
from pathlib import Path

import msgspec
import pytest

from presage_client import AsyncClient, ClientOptions
from presage_featurizer import encode_state
from presage_server.log_ids import log_id
from presage_server.store.snapshot import REVISION_BYTES
from presage_training.replaying.replay import Replay
from presage_training.traffic.sending import client_event
from support.archives import archive_command, places, read, run_archive
from support.events import STORY
from support.proofs import simulated_sessions
from support.running_server import GENEROUS_SECONDS, server_process
from support.stores import local_store

SESSIONS = 40
_PAUSE_SECONDS = 0.01
"""Between events: an archiver on a busy machine must be able to follow."""
PRESAGE = Path(sysconfig.get_path("scripts"), "presage")


def presage(*words: object, stdin: str = "") -> tuple[int, str, str]:
    done = subprocess.run(
        [PRESAGE, *map(str, words)],
        input=stdin,
        capture_output=True,
        text=True,
        timeout=4 * GENEROUS_SECONDS,
        check=False,
    )
    return done.returncode, done.stdout, done.stderr


def start_audit(archive: Path) -> subprocess.Popen[str]:
    words = [PRESAGE, "audit", archive, "--follow", "--settle-seconds", "1"]
    return subprocess.Popen(words, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


async def send(address: str, sessions, stop: asyncio.Event, sent: list[int]) -> None:
    """Send the sessions again and again, each time as new events, with a score after each."""
    async with AsyncClient(address, options=ClientOptions(timeout_ms=30_000)) as client:
        number = 0
        while not stop.is_set():
            number += 1
            for session in sessions:
                for event in session:
                    again = msgspec.structs.replace(event, event_id=f"{number}-{event.event_id}")
                    await client.track(client_event(again), score=True)
                    sent[0] += 1
                    await asyncio.sleep(_PAUSE_SECONDS)
                if stop.is_set():
                    return


async def until_archived(archive: Path, rows: int) -> None:
    """Wait for so many rows in an archive's files."""
    while len(places(archive)) < rows:  # noqa: ASYNC110 - another process writes
        await asyncio.sleep(0.1)


@pytest.mark.slow
async def test_a_visitor_is_erased_while_all_goes_on_and_whoever_comes_back_begins_anew(short_directory, tmp_path):
    archive = tmp_path / "archive"
    sessions = simulated_sessions(SESSIONS, seed=9)
    ids = [session[0].user_id for session in sessions]
    user_id, returning = ids[0], next(name for name in ids if name != ids[0])
    with local_store(short_directory / "forget.sock", appendonly="yes", dir=str(tmp_path)) as store:
        flags = ("--port", "0", "--redis-url", store.url, "--sample-vectors-share", "1", "--stream-max-events", "0")
        with server_process(tmp_path / "log", *flags, "--no-follow-items") as server:
            archiver = archive_command(store.url, archive, "--flush-seconds", "0.4")
            stop, gone, sent = asyncio.Event(), asyncio.Event(), [0]
            others = [session for session in sessions if session[0].user_id != user_id]
            leaving = [session for session in sessions if session[0].user_id == user_id]
            sending = [
                asyncio.create_task(send(server.address, leaving, gone, [0])),
                asyncio.create_task(send(server.address, others, stop, sent)),
            ]
            await until_archived(archive, 1)  # an audit follows an archive that is there
            audit = start_audit(archive)
            try:
                await until_archived(archive, 400)
                gone.set()
                await sending[0]
                words = (
                    "--redis-url",
                    store.url,
                    "--archive",
                    archive,
                    "--settle-seconds",
                    "1",
                    "--wait-seconds",
                    "200",
                )
                forgotten = await asyncio.to_thread(presage, "forget", "-", *words, stdin=f"{user_id}\n")
                came_back = await asyncio.to_thread(presage, "forget", returning, *words)
                await until_archived(archive, len(places(archive)) + 100)
                check = await asyncio.to_thread(presage, "forget", user_id, *words[:4], "--check")
                stop.set()
                await sending[1]
            finally:
                archiver.terminate()
                out, err = archiver.communicate(timeout=GENEROUS_SECONDS)
                audit.terminate()
                audit_out, audit_err = audit.communicate(timeout=GENEROUS_SECONDS)
        assert forgotten[0] == 0, (forgotten, out, err)
        assert forgotten[1].endswith("presage forget: nothing is left\n"), forgotten
        assert check == (0, "presage forget: nothing is left\n", "")
        assert came_back[0] == 0, came_back
        assert "nothing of before is left; the visitor came back" in came_back[1]
        assert "since the erasure: store: a state" in came_back[1]
        assert (err, " lost=0 " in out.splitlines()[-1]) == ("", True)
        assert not any(user_id.encode() in path.read_bytes() for path in tmp_path.glob("appendonlydir/*"))

        assert run_archive(store.url, archive, "--once")[2] == ""  # what came after the last read
        replay = Replay()
        for archived in read(archive):
            replay.fold(archived.event, fresh=archived.fresh)
        stored = {name: (store.blob(name) or b"")[REVISION_BYTES:] for name in replay.states}
        assert stored == {name: encode_state(state) for name, state in replay.states.items()}
        assert user_id not in stored
        assert returning in stored
        assert " mismatches=0 " in audit_out.partition("presage audit: ended;")[2], audit_err
        assert user_id not in server.log


@pytest.mark.slow
async def test_an_embedded_store_is_erased_beside_its_server_and_without_it(tmp_path):
    data = tmp_path / "data"
    event = STORY[0]
    flags = ("--port", "0", "--data-dir", str(data), "--no-follow-items")
    with server_process(tmp_path / "log", *flags) as server:
        async with AsyncClient(server.address) as client:
            await client.track(client_event(event))
            first = presage("forget", event.user_id, "--data-dir", data, "--settle-seconds", "0.1")
            await client.track(client_event(event))
    assert first[::2] == (0, "")
    assert first[1].startswith("presage forget: erased 1 keys and 1 stream entries in the store, 0 rows in 0 files")
    assert first[1].endswith("presage forget: nothing is left\n")
    code, out, err = presage("forget", event.user_id, "--data-dir", data, "--check")
    assert (code, out) == (1, "")
    assert "presage forget: LEFT: store: a state" in err
    assert "LEFT: store: 1 event in the stream of partition" in err
    assert presage("forget", event.user_id, "--data-dir", data, "--settle-seconds", "0")[0] == 0
    assert presage("forget", event.user_id, "--data-dir", data, "--check")[0] == 0


def test_what_makes_no_sense_is_said(tmp_path):
    assert presage("forget", "v")[::2] == (
        2,
        "presage forget: redis_url: expected either --redis-url, or the --data-dir of an embedded store\n",
    )
    code, _, err = presage("forget", "v", "--data-dir", tmp_path)
    assert (code, "is no folder of an embedded store" in err) == (2, True)
    assert presage("forget", "v-81", "--log-id") == (0, f"{log_id('v-81')}\n", "")
