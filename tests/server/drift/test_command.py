"""``presage drift`` on a store in which a server's counts lie."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sysconfig
import urllib.request
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest

from presage_server.clock import system_clock
from support.bundles import write_small_bundle
from support.drifting_server import serve_hours, write_bundle_with_baseline

HOURS = 30


@pytest.fixture(scope="module")
def models(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drift")
    write_bundle_with_baseline(folder)
    return folder


def run(*flags: str) -> subprocess.CompletedProcess[str]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    command = [Path(sysconfig.get_path("scripts"), "presage"), "drift", *flags]
    return subprocess.run(
        command, env=environment | {"COLUMNS": "300"}, capture_output=True, text=True, timeout=120, check=False
    )


async def serve(store, models, *, spoilt_hours: int = 0) -> None:
    await serve_hours(store.url, models, hours=HOURS, spoilt_hours=spoilt_hours, now_unix_micros=system_clock())


async def test_nothing_has_changed(store, models):
    await serve(store, models)
    done = run("--redis-url", store.url, "--models", str(models))
    assert done.returncode == 0, done.stdout + done.stderr
    assert re.match(r"conversion/1: 9,000 rows, 30 windows \(.* UTC\), [\d,]+ comparisons, 0 alarms\n", done.stdout)


async def test_alarms_are_printed_and_drawn_and_are_the_exit_code(store, models, tmp_path):
    await serve(store, models, spoilt_hours=4)
    done = run("--redis-url", store.url, "--models", str(models), "--plot", str(tmp_path / "drift.svg"))
    assert done.returncode == 1, done.stdout + done.stderr
    assert re.search(r"page_views +zeros 100.0%, usually \d\d\.\d%", done.stdout)
    chart = ET.parse(tmp_path / "drift.svg").getroot()
    texts = [element.text for element in chart.iter("{http://www.w3.org/2000/svg}text")]
    assert {"conversion/1", "page_views", "score", "visitors"} <= set(texts)
    framed = [one for one in chart.iter("{http://www.w3.org/2000/svg}rect") if one.get("stroke")]
    assert len(framed) == 4


def test_a_bundle_without_a_baseline_and_an_empty_store_are_reported(store, tmp_path, models):
    write_small_bundle(tmp_path)
    done = run("--redis-url", store.url, "--models", str(tmp_path))
    assert done.returncode == 2
    assert "has no baseline: train the model again" in done.stderr
    assert "no bundle has a baseline to compare with" in done.stderr
    done = run("--redis-url", store.url, "--models", str(models))
    assert done.returncode == 2
    assert "conversion/1: 0 rows, 0 windows (none yet)" in done.stdout
    assert re.search(r"no window with enough visitors to compare: expected [\d,]+ visitors within a day", done.stderr)


async def test_a_broken_bundle_is_named_and_the_others_are_compared(store, models, tmp_path):
    await serve(store, models)
    folder = shutil.copytree(models, tmp_path / "models")
    shutil.copytree(folder / "conversion" / "1", folder / "conversion" / "2")
    done = run("--redis-url", store.url, "--models", str(folder))
    assert done.returncode == 0, done.stdout + done.stderr
    assert "conversion/1: 9,000 rows" in done.stdout
    assert re.fullmatch(
        r"presage drift: left out: .*/conversion/2/manifest.json: version: expected '2'.*\n", done.stderr
    )


def test_what_is_not_there_is_named(store, models, tmp_path):
    done = run("convrsion", "--redis-url", store.url, "--models", str(models))
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr == f"presage drift: names: expected some of ['conversion'], as in {models}, got 'convrsion'\n"
    done = run("--redis-url", store.url, "--models", str(tmp_path / "nowhere"))
    assert (done.returncode, done.stdout) == (2, "")
    assert "no bundle found under" in done.stderr


def test_a_store_that_is_away_is_an_error(models):
    done = run("--redis-url", "redis://127.0.0.1:1", "--models", str(models))
    assert done.returncode == 2
    assert done.stderr.startswith("presage drift: ")


async def test_what_is_found_again_and_again_is_served_for_prometheus(store, models):
    await serve(store, models, spoilt_hours=4)
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
    flags = ("--redis-url", store.url, "--models", str(models), "--every-seconds", "60", "--metrics-port", "0")
    process = subprocess.Popen(  # noqa: ASYNC220 - nothing else runs meanwhile
        [Path(sysconfig.get_path("scripts"), "presage"), "drift", *flags],
        env=environment | {"COLUMNS": "300", "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        port = re.search(r"metrics at port (\d+)", process.stderr.readline())
        assert "alarms" in process.stdout.readline()
        while "presage_drift_alarm{" not in (text := _get(f"http://127.0.0.1:{port[1]}/metrics")):
            assert process.poll() is None
        process.terminate()
        assert process.wait(timeout=60) == 1
    finally:
        process.kill()
        process.communicate()
    assert 'presage_drift_alarm{column="page_views",model="conversion",model_version="1"} 1.0' in text
    assert 'presage_drift_alarm{column="frequency",model="conversion",model_version="1"} 0.0' in text


def _get(url: str) -> str:
    with urllib.request.urlopen(url, timeout=30) as reply:
        return reply.read().decode()
