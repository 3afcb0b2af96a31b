"""``presage audit --follow`` beside real servers, one of which has one line of one feature changed."""

from __future__ import annotations

import asyncio
import os
import re
import shutil
import signal
import subprocess
import sysconfig
import time
import urllib.request
from pathlib import Path

import msgspec
import pytest
from redis import Redis

import presage_featurizer
from presage_featurizer import Event
from presage_server.settings import shipped_models
from support.archives import archive_once, logged_vectors
from support.proofs import send_crowded, simulated_sessions
from support.running_server import GENEROUS_SECONDS, server_process

SESSIONS = 40
LINE = "return view.session.page_views\n"
ALERT = re.compile(
    r"presage audit: MISMATCH visitor='(\S+)' event='(\S+)' feature=(\S+) expected=(\S+) served=(\S+) other_features=(\d+) "
    r"model=conversion \d+ as_of=\d+"
)


def start_audit(archive: Path, *flags: str) -> subprocess.Popen[str]:
    command = [Path(sysconfig.get_path("scripts"), "presage"), "audit", archive, "--follow", *flags]
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    return subprocess.Popen(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)


def run_audit(archive: Path, *flags: str) -> tuple[int, str, str]:
    process = start_audit(archive, *flags)
    out, err = process.communicate(timeout=GENEROUS_SECONDS)
    return process.returncode, out, err


def with_one_line_changed(folder: Path) -> Path:
    """Copy the featurizer, with one line of the feature page_views changed; its name and version stay."""
    source = Path(presage_featurizer.__file__).parent
    shutil.copytree(source, folder / source.name, ignore=shutil.ignore_patterns("__pycache__"))
    file = folder / source.name / "features" / "session.py"
    text = file.read_text()
    assert text.count(LINE) == 1
    file.write_text(text.replace(LINE, "return view.session.page_views + (view.session.page_views > 2)\n"))
    return folder


async def serve_and_archive(store, archive: Path, sessions: list[list[Event]], **variables: str) -> int:
    flags = ("--redis-url", store.url, "--sample-vectors-share", "1", "--stream-max-events", "0", "--no-follow-items")
    log = archive.with_suffix(".log")
    with server_process(log, *flags, **variables) as server, Redis.from_url(store.url) as redis:
        before = len(logged_vectors(redis))
        answers = await send_crowded(sessions, [server.address], clients=4, seed=4)
        deadline = time.monotonic() + GENEROUS_SECONDS
        while len(logged_vectors(redis)) < before + len(answers) and time.monotonic() < deadline:  # noqa: ASYNC110 - another process writes
            await asyncio.sleep(0.05)
    archive_once(store, archive, max_batch_events=300)
    return len(answers)


@pytest.mark.slow
@pytest.mark.timeout(300)
async def test_a_changed_line_of_one_feature_is_found_and_named(store, tmp_path):
    archive = tmp_path / "archive"
    sessions = simulated_sessions(2 * SESSIONS, seed=4)
    count = await serve_and_archive(store, archive, sessions[:SESSIONS])
    models = ("--models", str(shipped_models()))
    code, out, err = run_audit(archive, "--once", *models)
    assert (code, err) == (0, "")
    assert f" same={count} mismatches=0 not_comparable=0 scores={count} batches_behind=0" in out

    others = [[msgspec.structs.replace(event, user_id=f"other-{event.user_id}") for event in each] for each in sessions]
    changed = with_one_line_changed(tmp_path / "changed")
    deployed = time.time()
    count = await serve_and_archive(store, archive, others[SESSIONS:], PYTHONPATH=str(changed))
    code, out, err = run_audit(archive, "--once", "--show-ids", *models)
    alerts = [ALERT.fullmatch(line) for line in err.splitlines()]
    assert code == 1
    assert alerts
    assert f" same={count - len(alerts)} mismatches={len(alerts)} not_comparable=0 " in out
    ids = {event.event_id: event.user_id for session in others for event in session}
    for alert in alerts:
        user_id, event_id, feature, expected, served, other_features = alert.groups()
        assert (feature, int(other_features)) == ("page_views", 0)
        assert ids[event_id] == user_id
        assert float(served) == float(expected) + 1.0 > 3.0

    assert run_audit(archive, "--once", *models)[0] == 0, "each is reported once"
    again = ("--once", "--states", str(tmp_path / "again"))
    assert run_audit(archive, *again)[2].count("MISMATCH") == len(alerts), "from the beginning"
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(deployed + 400 * 86_400))
    assert run_audit(archive, "--once", "--states", str(tmp_path / "since"), "--since", moment)[0] == 0


def test_a_signal_ends_it_and_what_makes_no_sense_is_said(store, tmp_path):
    archive = tmp_path / "archive"
    archive_once(store, archive)
    process = start_audit(archive, "--metrics-port", "0")
    try:
        line = process.stdout.readline()
        assert line.startswith("presage audit: metrics on port ")
        with urllib.request.urlopen(
            f"http://localhost:{line.split()[-1]}/metrics", timeout=GENEROUS_SECONDS
        ) as response:
            assert "presage_audit_compared_total 0.0" in response.read().decode()
        process.send_signal(signal.SIGTERM)
        out, err = process.communicate(timeout=GENEROUS_SECONDS)
    finally:
        process.kill()
    assert (process.returncode, err) == (0, "")
    assert out == ("presage audit: ended; events=0 same=0 mismatches=0 not_comparable=0 scores=0 batches_behind=0\n")
    assert run_audit(archive, "--rankings")[0] == 2
    code, _, err = run_audit(archive, "--since", "yesterday")
    assert code == 2
    assert err.startswith("presage audit: --since: expected a moment as 2026-01-31")
