"""The model that ships answers as LightGBM does: offline, over gRPC, and after being trained again."""

from __future__ import annotations

import os
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import lightgbm
import numpy as np
import pytest

from presage_client import Client, ClientOptions
from presage_export.gate import boundary_rows, special_rows
from presage_export.graph import build_graph
from presage_export.reading.source_model import read_source_model
from presage_server.models.loading import load_model
from presage_server.settings import shipped_models
from presage_training.datasets.dataset import purchase_in_session
from presage_training.simulator import simulate
from presage_training.traffic.sending import client_event
from support.proofs import START_UNIX_MICROS
from support.running_server import server_process

BUNDLE = shipped_models() / "conversion" / "3"

ORIGINAL = Path(__file__).parents[1] / "data" / "conversion-3.txt"
"""What LightGBM itself wrote when the model was trained."""

SEED = 99
"""Not the seed that the model was trained with."""

MAX_ERROR = 1e-6

TRAIN = (
    *(sys.executable, "-m", "presage_server", "train", "--simulate"),
    *("--models", "lightgbm-classifier", "--calibration", "none", "--draws", "100"),
)


@pytest.fixture(scope="module")
def booster():
    return lightgbm.Booster(model_file=ORIGINAL)


@pytest.fixture(scope="module")
def model():
    return load_model(BUNDLE)


@pytest.fixture(scope="module")
def replayed_rows():
    """What a server would have served to visitors that the model has never seen, float32."""
    events = simulate(seed=SEED, visitors=2_500, start_unix_micros=START_UNIX_MICROS, days=30)
    rows = purchase_in_session(events).features
    assert len(rows) >= 50_000
    return rows


def probabilities(booster, rows):
    """LightGBM's own, in its own double precision."""
    return np.asarray(booster.predict(rows.astype(np.float64), num_threads=1))


def largest_error(booster, model, rows):
    actual = np.array(model.predict(rows))
    assert np.isfinite(actual).all()
    return np.max(np.abs(probabilities(booster, rows) - actual))


def test_it_is_what_the_export_makes_of_the_original(booster):
    assert build_graph(read_source_model(booster).model) == (BUNDLE / "model.onnx").read_bytes()


def test_it_agrees_on_replayed_rows(booster, model, replayed_rows):
    assert largest_error(booster, model, replayed_rows) <= MAX_ERROR


def test_it_agrees_on_every_threshold_and_beside_it(booster, model, replayed_rows):
    rows = boundary_rows(booster, replayed_rows)

    assert len(rows) == 3 * sum(tree["num_leaves"] - 1 for tree in booster.dump_model()["tree_info"])
    assert largest_error(booster, model, rows) <= MAX_ERROR


def test_it_agrees_on_the_extremes_of_every_feature(booster, model, replayed_rows):
    assert largest_error(booster, model, special_rows(replayed_rows)) <= MAX_ERROR


def test_what_is_served_agrees(booster, replayed_rows, store, tmp_path):
    rows = np.concatenate([replayed_rows, boundary_rows(booster, replayed_rows), special_rows(replayed_rows)])
    rows = rows[np.isfinite(rows).all(axis=1)]
    events = simulate(seed=SEED + 1, visitors=100, start_unix_micros=START_UNIX_MICROS, days=10)
    visitors = {event.user_id: event for event in events}
    flags = ("--redis-url", store.url, "--models", str(shipped_models()))
    with (
        server_process(tmp_path / "log", *flags) as server,
        Client(server.address, options=ClientOptions(timeout_ms=10_000)) as client,
    ):
        of_vectors = client.score_vectors(rows.tolist())
        client.track_many(map(client_event, events))
        of_visitors = [
            client.score(user_id, as_of_unix_micros=last.event_time_unix_micros, include_features=True)
            for user_id, last in visitors.items()
        ]

    vectors = np.array([list(prediction.features.values()) for prediction in of_visitors], dtype=np.float32)
    assert len(np.unique(vectors, axis=0)) > 50
    for served, scored in ((of_vectors, rows), (of_visitors, vectors)):
        scores = np.array([prediction.score for prediction in served])
        assert np.max(np.abs(scores - probabilities(booster, scored))) <= MAX_ERROR


@pytest.mark.slow
def test_it_is_what_training_gives(tmp_path):
    """With the options of ``make models``."""
    trained_with = load_model(BUNDLE).bundle.manifest.libraries
    installed = {name: version(name) for name in trained_with}
    if trained_with != installed:
        pytest.skip(f"the model was trained with {trained_with}, and here are {installed}")
    bundle, original = tmp_path / "conversion" / "3", tmp_path / "original.txt"
    places = ("--to", tmp_path / "run", "--bundle", bundle, "--original", original)
    subprocess.run([*TRAIN, "--seed", "7", *places], stdout=subprocess.DEVNULL, check=True)

    assert (bundle / "model.onnx").read_bytes() == (BUNDLE / "model.onnx").read_bytes()
    assert original.read_text() == ORIGINAL.read_text()
    assert {file.name: file.read_bytes() for file in bundle.iterdir()} == {
        file.name: file.read_bytes() for file in BUNDLE.iterdir()
    }


@pytest.mark.slow
def test_training_again_gives_the_same_bytes(tmp_path):
    """In two processes that hash strings differently, as any two do."""
    small = ("--visitors", "300", "--days", "10", "--seed", "3")
    bundles = [tmp_path / hash_seed / "conversion" / "3" for hash_seed in ("1", "2")]
    runs = [
        subprocess.Popen(
            [*TRAIN, *small, "--to", bundle.parents[1] / "run", "--bundle", bundle],
            env=os.environ | {"PYTHONHASHSEED": bundle.parts[-3]},
            stdout=subprocess.DEVNULL,
        )
        for bundle in bundles
    ]

    assert [run.wait() for run in runs] == [0, 0]
    first, again = ({file.name: file.read_bytes() for file in bundle.iterdir()} for bundle in bundles)
    assert set(first) == {"manifest.json", "model.onnx", "golden.npz", "explain.npz", "baseline.npz"}
    assert first == again
