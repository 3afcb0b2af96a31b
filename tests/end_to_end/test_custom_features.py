"""A project with twenty declared features and two in Python, on real servers: what they serve is what a replay gives."""

from __future__ import annotations

import asyncio
import shutil
import signal
import time
from random import Random

import msgspec
import pytest
from redis import Redis
from training.commands.running import run

from benchmarks.custom_features.__main__ import PROJECT
from benchmarks.custom_features.attributes import with_attributes
from presage_client import Client
from presage_featurizer import CONVERSION, MICROS, Event
from presage_featurizer.custom import CustomFeatures, read_custom_features
from presage_training.traffic.sending import client_event
from support.archives import archive_once, logged_vectors
from support.bundles import write_small_bundle
from support.proofs import check_replay, send_crowded, simulated_sessions
from support.running_server import GENEROUS_SECONDS, server_process

SESSIONS = 600
CLIENTS = 8
SEED = 31
LATE_SHARE = 0.05
MINUTES = (20, 180, 2 * 24 * 60)
NEW_LINE = 'any_events = { aggregate = "count", over = "visitor" }\n'


@pytest.fixture(scope="module")
def own() -> CustomFeatures:
    return read_custom_features(PROJECT)


@pytest.fixture
def project(tmp_path):
    """A copy of the project, to be changed."""
    return shutil.copytree(PROJECT, tmp_path / "project")


@pytest.fixture
def models(tmp_path, own):
    """A folder with version 1 of the model ``shop``, of the project's features."""
    write_small_bundle(tmp_path / "models", name="shop", feature_set=own.feature_set)
    return tmp_path / "models"


def sessions_with_attributes(count: int) -> list[list[Event]]:
    """Simulate sessions whose events have numbers and labels; some have a time long before the one in front of them."""

    def changed(event: Event) -> Event:
        random = Random(f"late {event.event_id}")
        late = random.choice(MINUTES) * 60 * MICROS if random.random() < LATE_SHARE else 0
        return msgspec.structs.replace(
            with_attributes(event), event_time_unix_micros=event.event_time_unix_micros - late
        )

    return [[changed(event) for event in session] for session in simulated_sessions(count, seed=SEED)]


async def test_replay_and_audit_give_every_served_vector_back(store, tmp_path, models, own):
    sessions = sessions_with_attributes(SESSIONS)
    flags = ("--redis-url", store.url, "--models", str(models), "--project", str(PROJECT), "--stream-max-events", "0")
    flags += ("--sample-vectors-share", "1")

    with (
        server_process(tmp_path / "a.log", *flags) as one,
        server_process(tmp_path / "b.log", *flags) as other,
        Redis.from_url(store.url) as redis,
    ):
        answers = await send_crowded(sessions, (one.address, other.address), clients=CLIENTS, seed=SEED)
        deadline = time.monotonic() + GENEROUS_SECONDS
        while len(logged_vectors(redis)) < len(answers) and time.monotonic() < deadline:  # noqa: ASYNC110 - other processes write
            await asyncio.sleep(0.05)

    check_replay(store, sessions, answers, own.feature_set)
    assert sum(answer.duplicate for answer in answers) > SESSIONS
    for name in own.catalogue:
        values = {answer.prediction.features[name] for answer in answers}
        assert len(values) > 1, f"{name} is always {values}"

    archive_once(store, tmp_path / "archive", max_batch_events=5_000)
    audited = run("audit", tmp_path / "archive", "--models", models, "--project", PROJECT)
    count = f"{len(answers):,}"
    assert (audited.code, audited.out) == (
        0,
        f"presage audit: {count} vectors the same, 0 different, 0 not comparable; {count} scores checked\n",
    )
    without = run("audit", tmp_path / "archive", "--models", models)
    assert without.code == 2
    assert "name the servers' project with --project" in without.err
    assert f"{count}: feature set unknown to this release, to the bundles and to the project" in without.out


@pytest.mark.slow
def test_a_feature_is_added_in_a_rolling_restart(store, tmp_path, models, project):
    events = [event for session in sessions_with_attributes(20) for event in session]
    user_id = events[0].user_id
    flags = ("--redis-url", store.url, "--models", str(models), "--project", str(project))

    def send(client: Client) -> None:
        client.track_many(
            client_event(msgspec.structs.replace(event, user_id=user_id, event_id=f"{client!r}{event.event_id}"))
            for event in events[:50]
        )

    with server_process(tmp_path / "old.log", *flags) as old:
        with Client(old.address) as client:
            send(client)
        before = (project / "features.toml").read_text()
        (project / "features.toml").write_text(before + NEW_LINE)
        with server_process(tmp_path / "new.log", *flags) as new, Client(new.address) as client:
            score = client.score(user_id, include_features=True)
            assert (score.model, score.model_version) == ("shop", "1")
            assert "any_events" not in score.features
            send(client)
            assert client.features(user_id, feature_set="twenty")["any_events"] == 50.0
            assert "any_events" not in client.features(user_id)
            with Client(old.address) as other:
                assert other.score(user_id, include_features=True).features.keys() == score.features.keys()

    write_small_bundle(models, name="shop", version="2", feature_set=read_custom_features(project).feature_set)
    with server_process(tmp_path / "new.log", *flags) as new, Client(new.address) as client:
        score = client.score(user_id, include_features=True)
        assert (score.model_version, score.features["any_events"]) == ("2", 50.0)
        assert f"project {project}: features 'twenty' with 23 of its own, 21 aggregates of each visitor" in new.log

    # An old server still serves the version that it can.
    (project / "features.toml").write_text(before)
    with server_process(tmp_path / "old.log", *flags) as old, Client(old.address) as client:
        assert client.score(user_id).model_version == "1"
        assert "serving version 1 of shop, because a newer one is rejected" in old.log
        assert "the project has no feature 'any_events'" in old.log


def test_a_server_without_the_project_rejects_the_model_by_the_features_name(store, tmp_path, models):
    flags = ("--redis-url", store.url, "--models", str(models))
    with server_process(tmp_path / "log", *flags, wait=False) as server:
        assert server.wait() == (2, "")
    assert server.log.startswith(f"presage: cannot serve: {models / 'shop' / '1' / 'manifest.json'}: ")
    assert "is a project's own feature; name the project's folder with --project or PRESAGE_PROJECT" in server.log
    assert server.log.count("\n") == 1

    write_small_bundle(models, name="shop", version="0.9", feature_set=CONVERSION)
    with server_process(tmp_path / "log", *flags) as server, Client(server.address) as client:
        assert client.score("visitor").model_version == "0.9"
        assert "serving version 0.9 of shop, because a newer one is rejected" in server.log


def test_a_changed_feature_rejects_the_model_by_its_name(store, tmp_path, models, project):
    text = (project / "features.toml").read_text()
    (project / "features.toml").write_text(text.replace("cap = 8", "cap = 9"))
    flags = ("--redis-url", store.url, "--models", str(models), "--project", str(project))
    with server_process(tmp_path / "log", *flags, wait=False) as server:
        assert server.wait() == (2, "")
    assert "the project defines 'brands_viewed' as " in server.log


def test_workers_fold_and_score_own_features(store, tmp_path, models):
    flags = ("--redis-url", store.url, "--models", str(models), "--workers", "2")
    with server_process(tmp_path / "log", *flags, PRESAGE_PROJECT=str(PROJECT)) as server:
        events = [event for session in sessions_with_attributes(20) for event in session]
        with Client(server.address) as client:
            client.track_many(map(client_event, events))
            score = client.score(events[0].user_id, include_features=True)
        server.signal(signal.SIGTERM)
        assert server.wait()[0] == 0
    assert score.features["search_share"] >= 0.0
    assert score.features["mobile_events"] + score.features["queries"] > 0.0 or score.features["margin_viewed"] != 0.0
