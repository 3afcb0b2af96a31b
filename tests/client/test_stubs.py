"""Stubs for other languages, and the example for Node against a real server."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from presage.v1 import scoring_service_pb2

ROOT = Path(__file__).parents[2]
WRITE = ROOT / "client" / "stubs.sh"
EXAMPLE = ROOT / "client" / "examples" / "node" / "shop.js"
STUBS = ROOT / "build" / "stubs"
"""Kept between runs, as `make stubs` does: libraries for Node take seconds to install."""


@pytest.fixture(scope="module")
def written() -> str:
    """What `make stubs` prints, once the stubs are written."""
    environment = os.environ | {"PYTHON": sys.executable}
    try:
        done = subprocess.run([WRITE, STUBS], env=environment, capture_output=True, text=True, timeout=120, check=False)
    except subprocess.TimeoutExpired:
        pytest.skip("npm does not install the generator within two minutes here")
    if "npm error" in done.stderr:  # there may be no registry
        pytest.skip(f"npm cannot install the generator here: {done.stderr[-300:]}")
    assert "failed" not in done.stdout, done.stdout + done.stderr
    return done.stdout


@pytest.mark.xdist_group("stubs")
async def test_the_example_for_node_tracks_and_scores(written, served):
    if shutil.which("node") is None or "node: written" not in written:
        pytest.skip(f"node is not here: {written}")
    run = await asyncio.to_thread(
        subprocess.run,
        ["node", EXAMPLE, served.address],
        env=os.environ | {"TIMEOUT_MS": "20000"},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert run.returncode == 0, run.stderr
    duplicate, score = run.stdout.splitlines()
    assert duplicate == "duplicate: false, true"
    prediction = (await served.stub.Score(scoring_service_pb2.ScoreRequest(user_id="ada"))).prediction
    assert not prediction.cold_start
    assert score == f"score: {prediction.score:.4f} by {prediction.model} {prediction.model_version}"


@pytest.mark.xdist_group("stubs")
async def test_the_example_for_node_says_that_no_server_is_there(written):
    if shutil.which("node") is None or "node: written" not in written:
        pytest.skip(f"node is not here: {written}")
    run = await asyncio.to_thread(
        subprocess.run, ["node", EXAMPLE, "127.0.0.1:1"], capture_output=True, text=True, timeout=60, check=False
    )
    assert run.returncode == 1
    assert run.stderr.startswith("presage: 14 UNAVAILABLE")


@pytest.mark.xdist_group("stubs")
@pytest.mark.parametrize(
    ("language", "file"),
    [
        ("java", "com/presage/v1/ScoringServiceGrpc.java"),
        ("go", "presage/v1/scoring_service_grpc.pb.go"),
        ("node", "presage/v1/scoring_service.grpc-client.d.ts"),
    ],
)
def test_each_language_gets_a_client_of_every_method(written, language, file):
    if f"{language}: written" not in written:
        pytest.skip(f"no generator here: {written}")
    text = (STUBS / language / file).read_text()
    for method in ("TrackEvent", "TrackEvents", "Score", "ScoreBatch", "ScoreVectors", "GetFeatures"):
        assert method in text or method[0].lower() + method[1:] in text


def test_without_generators_it_says_what_is_needed(tmp_path):
    tools = tmp_path / "bin"
    tools.mkdir()
    for name in ("sh", "dirname", "mkdir", "cat"):
        (tools / name).symlink_to(shutil.which(name))
    done = subprocess.run(
        [WRITE, tmp_path / "out"], env={"PATH": str(tools)}, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 1
    lines = done.stdout.splitlines()
    assert [line.split(";")[0] for line in lines] == [
        f"stubs: {language}: not written" for language in ("node", "java", "go")
    ]
    assert all("needs" in line for line in lines)
