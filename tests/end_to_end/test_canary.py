"""A model tried on a share of visitors, from its aliases to a verdict, over a real server."""

from __future__ import annotations

import asyncio
from collections import Counter

import grpc
import pytest
from training.commands.running import run_here

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_export.registry import Aliases, Arm, RollbackRules, assign, read_aliases, read_changes, replace_aliases
from presage_server.models.model import Model
from support.archives import archive_once, archived_vectors, logged_vectors
from support.running_server import GENEROUS_SECONDS, serving, track
from support.versions import write_versions

NOW = 1_700_000_000_000_000
HOUR_MICROS = 3_600_000_000
VISITORS = [f"visitor-{number}" for number in range(60)]
SERVES = {Arm.CHAMPION: "1", Arm.CHALLENGER: "2"}


def split(folder, **aliases) -> Aliases:
    """Write the versions 1 to 4, and aliases that try version 2 on three of ten visitors."""
    write_versions(folder)
    given = {"challenger": "2", "challenger_share": 0.3, "shadow": "3", "pairs_share": 1.0, "salt": "spring"}
    return replace_aliases(
        folder / "conversion",
        Aliases(champion="1", **given | aliases),
        now_unix_micros=NOW,
        changed_by="ann",
        reason="a try",
    )


async def test_a_split_from_aliases_to_a_verdict(store, tmp_path, monkeypatch, capsys):
    aliases = split(tmp_path / "models")
    served = Counter()
    async with serving(redis_url=store.url, models=tmp_path / "models") as server:
        for place, user_id in enumerate(VISITORS):
            for number in range(3):
                request = track(user_id, f"{user_id}-{number}", event_time_unix_micros=NOW + number, type=4)
                request.score = True
                prediction = (await server.stub.TrackEvent(request)).prediction
                arm = assign(aliases, user_id).arm
                assert (prediction.arm, prediction.model_version) == (arm, SERVES[arm])
                served[arm] += 1
            if place % 3 == 0:
                bought = track(user_id, f"{user_id}-buys", event_time_unix_micros=NOW + 9)
                bought.event.type = event_pb2.EVENT_TYPE_PURCHASE
                await server.stub.TrackEvent(bought)
        await server.stub.TrackEvent(track("closer", "last", event_time_unix_micros=NOW + HOUR_MICROS))
        async with asyncio.timeout(GENEROUS_SECONDS):
            while len(logged_vectors(store.redis)) < 3 * len(VISITORS):  # noqa: ASYNC110 - the server sends no event for it
                await asyncio.sleep(0.01)
    archive = tmp_path / "archive"
    archive_once(store, archive)
    vectors = [vector for _, vector in archived_vectors(archive)]
    assert Counter(vector.arm for vector in vectors) == served
    for vector in vectors:
        assert {version for version, _ in vector.others} == {"1", "2", "3"} - {vector.model_version}
        assert (vector.arm, vector.propensity) == assign(aliases, vector.user_id)

    models = tmp_path / "models"
    compared = run_here(
        monkeypatch, capsys, "models", "compare", "conversion/1", "conversion/2", archive, "--models", models
    )
    assert (compared.code, compared.err) == (0, "")
    lines = compared.out.splitlines()
    assert lines[0].startswith(
        "conversion, purchase-in-session: 60 sessions of 60 visitors, 20 of them with a purchase; left out: 120 more pairs"
    )
    assert "log loss" in compared.out
    assert lines[-2].endswith("over 60 sessions of 60 visitors.")
    assert lines[-1] == (
        "Advice: continue: too few outcomes: 60 sessions, 20 of them with a purchase; expected 200, and 20 of each kind"
    )


async def test_a_challenger_that_fails_is_rolled_back_within_seconds_and_for_good(store, tmp_path, monkeypatch):
    rules = RollbackRules(window_seconds=1.0, min_scores=20)
    split(tmp_path / "models", rollback=rules, pairs_share=0.0, shadow="")
    folder = tmp_path / "models" / "conversion"
    predict = Model.predict

    async with serving(redis_url=store.url, models=tmp_path / "models") as server:

        def fails(model, rows):
            if model.version == "2":
                raise RuntimeError("broken")
            return predict(model, rows)

        monkeypatch.setattr(Model, "predict", fails)
        codes = []
        async with asyncio.timeout(GENEROUS_SECONDS):
            while read_aliases(folder).challenger:
                for user_id in VISITORS:
                    try:
                        prediction = (await server.stub.Score(pb.ScoreRequest(user_id=user_id))).prediction
                        assert prediction.model_version == "1"
                    except grpc.aio.AioRpcError as error:
                        codes.append(error.code())
        after = [(await server.stub.Score(pb.ScoreRequest(user_id=user_id))).prediction for user_id in VISITORS]

    assert len(codes) >= 20
    assert set(codes) == {grpc.StatusCode.INTERNAL}
    assert {prediction.model_version for prediction in after} == {"1"}
    change = list(read_changes(folder))[-1]
    assert (change.changed_by, change.after.challenger, change.after.champion) == ("guard", "", "1")
    assert "scores failed (100.0%), and 0.0% of the champion's" in change.reason


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("conversion/1", "other/2"), "expected two versions of one model"),
        (("conversion/1", "conversion/1"), "expected two versions of one model"),
        (("conversion", "conversion/2"), "expected NAME/VERSION, such as conversion/3, got 'conversion'"),
        (("conversion/1", "conversion/2"), "holds no archive.json"),
        (("conversion/1", "conversion/2", "--target", "love"), "target: expected one of"),
    ],
)
def test_what_cannot_be_compared_is_one_line(tmp_path, monkeypatch, capsys, arguments, message):
    a, b, *options = arguments
    done = run_here(monkeypatch, capsys, "models", "compare", a, b, tmp_path, *options)

    assert done.code == 2
    assert done.err.startswith("presage models compare: ")
    assert message in done.err
