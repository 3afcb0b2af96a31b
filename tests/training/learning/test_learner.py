"""A learner from an empty folder on: a prior, a challenger, a promotion; with a server that follows, and ended at any step."""

from __future__ import annotations

import asyncio
import dataclasses
import shutil
from pathlib import Path

import msgspec
import numpy as np
import pytest

from presage.v1 import model_service_pb2, model_service_pb2_grpc, scoring_service_pb2
from presage_export.bundle import read_bundle
from presage_export.registry import read_aliases, read_changes, replace_aliases
from presage_featurizer import CORE, EventType, featurize, fold
from presage_featurizer.digests import digest
from presage_featurizer.event_log import ServedVector
from presage_training.errors import LearningError
from presage_training.learning import (
    Learner,
    LearnOptions,
    RankingLearner,
    RankLearnOptions,
    StoppedError,
    read_verdicts,
)
from presage_training.learning.registering import locked, put_in_place
from presage_training.learning.state import LearnState, read_state, write_state
from support.bundle_files import change_manifest
from support.learning import archive_batch, shop_events
from support.running_server import serving
from support.worker_processes import until

pytestmark = pytest.mark.usefixtures("trains_at_once")

HOUR = 3_600 * 1_000_000
OPTIONS = LearnOptions(kind="logistic-regression", after_purchases=5, holdout_share=0.1, draws=20)


@pytest.fixture(scope="module")
def events():
    return shop_events(visitors=400, days=14)


def a_learner(tmp_path, **changes) -> Learner:
    return Learner(tmp_path / "archive", tmp_path / "models", OPTIONS, **changes)


def learn(learner: Learner, now: int) -> None:
    """As the command: a version that was trained is registered at once, by another cycle."""
    while learner.cycle(now):
        now += 1


def verdicts(learner: Learner) -> list[tuple[str, str]]:
    return [(each.version, each.verdict) for each in read_verdicts(learner.folder)]


def vectors_of(events, folder: Path, served: str, other: str) -> list[ServedVector]:
    """What a server logs that scores every third event with two versions."""
    bundles = {version: read_bundle(folder / version) for version in (served, other)}
    states, found, rows = {}, [], []
    for number, event in enumerate(events):
        state = states[event.user_id] = fold(states.get(event.user_id), event)
        if number % 3 == 0:
            now = event.event_time_unix_micros + 1
            rows.append(featurize(state, now, CORE))
            found.append((event, now))
    scores = {version: bundle.scores(np.array(rows)) for version, bundle in bundles.items()}
    return [
        ServedVector(
            user_id=event.user_id,
            session_id=event.session_id,
            as_of_unix_micros=now,
            last_event=digest(event.event_id),
            model="conversion",
            model_version=served,
            fingerprint=CORE.fingerprint,
            values=rows[place].astype("<f4").tobytes(),
            score=scores[served][place],
            arm=1,
            propensity=0.9,
            prior=True,
            others=((other, scores[other][place]),),
        )
        for place, (event, now) in enumerate(found)
    ]


async def test_a_server_goes_from_a_prior_to_a_model_that_was_trained_on_its_archive(store, tmp_path, events):
    learner = a_learner(tmp_path)
    learner.cycle(1)  # there is no archive yet
    assert verdicts(learner) == [("1", "prior")]
    async with serving(redis_url=store.url, models=learner.folder.parent, reload_seconds=0.1) as served:
        first = await served.stub.Score(scoring_service_pb2.ScoreRequest(user_id="ann"))
        assert (first.prediction.model_version, first.prediction.prior) == ("1", True)

        archive_batch(tmp_path / "archive", events, first=1)
        await asyncio.to_thread(learn, learner, 2)
        assert verdicts(learner)[1:] == [("2", "prior"), ("3", "challenger")]
        purchases = sum(event.type == EventType.PURCHASE for event in events)
        assert read_verdicts(learner.folder)[-1].purchases == purchases
        aliases = read_aliases(learner.folder)
        assert (aliases.champion, aliases.prior, aliases.challenger, aliases.holdout_share) == ("2", "2", "3", 0.1)

        vectors = vectors_of(events, learner.folder, "2", "3")
        archive_batch(tmp_path / "archive", [], vectors, first=1_000_000)
        await asyncio.to_thread(learner.cycle, 3)
        assert verdicts(learner)[-1] == ("3", "promote")
        last = list(read_changes(learner.folder))[-1]
        assert (last.changed_by, last.after.champion, last.after.challenger) == ("presage learn", "3", "")
        assert "log loss is" in last.reason

        stub = model_service_pb2_grpc.ModelServiceStub(served.channel)
        request = model_service_pb2.GetModelRequest(model="conversion")

        async def serves_the_new_one():
            return (await stub.GetModel(request)).version == "3"

        await until(serves_the_new_one)
        model = await stub.GetModel(request)
        assert sum(feature.importance for feature in model.features) == pytest.approx(1.0)
        arms = {}
        for number in range(60):
            scored = await served.stub.Score(scoring_service_pb2.ScoreRequest(user_id=f"visitor-{number}"))
            arms.setdefault((scored.prediction.model_version, scored.prediction.prior), number)
        assert arms.keys() == {("3", False), ("2", True)}  # the hold-out keeps the prior


def test_nothing_is_trained_before_it_is_due_nor_in_the_cooldown(tmp_path, events):
    archive_batch(tmp_path / "archive", events[:50], first=1)
    learner = a_learner(tmp_path)
    learner.cycle(1)
    assert verdicts(learner) == [("1", "prior")]
    ended = replace_aliases(
        learner.folder,
        msgspec.structs.replace(read_aliases(learner.folder), challenger="9", challenger_share=0.1),
        now_unix_micros=1,
        changed_by="me",
        reason="a test",
    )
    replace_aliases(
        learner.folder,
        msgspec.structs.replace(ended, challenger="", challenger_share=0.0),
        now_unix_micros=2,
        changed_by="me",
        reason="a test",
    )
    archive_batch(tmp_path / "archive", events[50:], first=1_000)
    learner.cycle(round(23.9 * HOUR))
    assert verdicts(learner) == [("1", "prior")]
    assert read_state(learner.folder).purchases >= 5


def test_too_little_data_is_said_and_tried_again_only_after_more_purchases(tmp_path, events):
    purchases = [event for event in events if event.type.name == "PURCHASE"][:5]
    archive_batch(tmp_path / "archive", purchases, first=1)
    learner = a_learner(tmp_path)
    learner.cycle(1)
    said = verdicts(learner)
    assert said[-1] == ("2", "not trained")
    learner.cycle(2)
    assert verdicts(learner) == said


def test_a_trial_begins_when_the_training_is_over_and_the_first_look_is_a_later_one(tmp_path, events):
    archive_batch(tmp_path / "archive", events[:-10], first=1)
    options = dataclasses.replace(OPTIONS, patience_hours=0.0)
    learner = Learner(tmp_path / "archive", tmp_path / "models", options)
    assert learner.cycle(1)
    assert not read_aliases(learner.folder).challenger
    archive_batch(tmp_path / "archive", events[-10:], first=1_000_000)  # while it was trained
    assert not learner.cycle(3 * HOUR)
    last = list(read_changes(learner.folder))[-1]
    assert (last.after.challenger, last.changed_at_unix_micros) == ("3", 3 * HOUR)
    assert verdicts(learner)[-1] == ("3", "challenger")
    learner.cycle(4 * HOUR)
    assert verdicts(learner)[-1] == ("3", "give up")


def test_a_version_that_passed_is_registered_once_by_the_learner_that_comes_next(tmp_path):
    learner = a_learner(tmp_path)
    learner.start(1)
    write_state(learner.folder, LearnState(pending_version="2", pending_reason="passed"))
    archive_batch(tmp_path / "archive", shop_events(visitors=20, days=7)[:10], first=1)

    learner.cycle(2)  # ended before the bundle was in its place: nothing is registered
    assert (read_aliases(learner.folder).challenger, read_state(learner.folder).pending_version) == ("", "")

    Learner(None, tmp_path / "other", OPTIONS).start(1)
    made = tmp_path / "other" / "conversion" / "1"
    made.rename(made.with_name("2"))
    put_in_place(made.with_name("2"), learner.folder)
    pending = LearnState(pending_version="2", pending_reason="passed")
    write_state(learner.folder, pending)
    learner.cycle(3)
    assert read_aliases(learner.folder).challenger == "2"

    changes = len(list(read_changes(learner.folder)))
    write_state(learner.folder, pending)  # ended after the aliases, before its own state
    learner.cycle(4)
    assert len(list(read_changes(learner.folder))) == changes
    assert read_state(learner.folder).pending_version == ""


def test_a_folder_with_a_model_keeps_it_and_gets_a_prior_of_its_features(models, tmp_path):
    shutil.copytree(models / "conversion", tmp_path / "models" / "conversion")
    learner = a_learner(tmp_path)
    learner.start(1)
    aliases = read_aliases(learner.folder)
    assert (aliases.champion, aliases.prior) == ("1", "2")
    features = [read_bundle(learner.folder / version).manifest.feature_set for version in "12"]
    assert features[0] == features[1]
    learner.start(2)
    assert read_aliases(learner.folder) == aliases


def test_a_folder_with_a_ranking_model_is_left_alone(tmp_path):
    learner = a_learner(tmp_path)
    RankingLearner(None, tmp_path / "models", RankLearnOptions(name="conversion")).start(1)
    before = read_aliases(learner.folder)
    with pytest.raises(LearningError, match="expected a model that scores, got one that ranks; give --rank"):
        learner.start(1)
    assert read_aliases(learner.folder) == before


def test_a_model_that_predicts_something_else_is_left_alone(models, tmp_path):
    shutil.copytree(models / "conversion", tmp_path / "models" / "conversion")
    change_manifest(tmp_path / "models" / "conversion" / "1", data={"target": "purchase-within:30"})
    learner = a_learner(tmp_path)
    with pytest.raises(LearningError, match="give --target purchase-within:30"):
        learner.start(1)
    assert [path.name for path in learner.folder.iterdir()] == ["1"]


def test_a_learner_that_is_told_to_end_ends_its_training_and_leaves_no_version(tmp_path, events):
    archive_batch(tmp_path / "archive", events, first=1)
    asked = iter([False] * 6)
    learner = a_learner(tmp_path, is_stopped=lambda: next(asked, True))
    with pytest.raises(StoppedError):
        learner.cycle(1)
    assert sorted(path.name for path in learner.folder.iterdir() if path.is_dir()) == ["1"]
    assert read_state(learner.folder).trained_purchases == 0


def test_there_is_one_learner_of_a_model(tmp_path):
    with locked(tmp_path), pytest.raises(LearningError, match="another presage learn"), locked(tmp_path):
        pass
