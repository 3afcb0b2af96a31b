"""The models of calls that name none stay the same when others are added while a server runs."""

from __future__ import annotations

import asyncio
import os

import pytest

from presage.v1 import scoring_service_pb2 as pb
from presage_server.errors import ModelError
from presage_server.models.defaults import keep_defaults, pin_defaults
from presage_server.models.loading import load_models, plan_of
from presage_server.models.plan import Plan
from presage_server.settings import Settings
from presage_server.workers.changes import WorkerChanges
from support.bundles import write_small_bundle
from support.rankings import write_ranking_bundle
from support.running_server import GENEROUS_SECONDS, serving


def test_a_worker_that_starts_beside_a_new_model_has_the_defaults_of_the_others(tmp_path):
    write_small_bundle(tmp_path, name="checkout")
    settings = Settings(models=tmp_path)
    pinned = pin_defaults(settings, plan_of(load_models(tmp_path)))
    write_small_bundle(tmp_path, name="churn")
    later = plan_of(load_models(tmp_path, "checkout"))

    assert WorkerChanges(lambda **_: None, later).load(pinned, None).default_name == "checkout"
    with pytest.raises(ModelError, match=r"default_model: expected one of \['checkout', 'churn'\], got 'conversion'"):
        WorkerChanges(lambda **_: None, later).load(settings, None)


def test_what_the_settings_name_stays_and_has_to_be_there(tmp_path):
    for name in ("checkout", "churn"):
        write_small_bundle(tmp_path, name=name)
    plan = plan_of(load_models(tmp_path, "churn"))

    assert pin_defaults(Settings(models=tmp_path, default_model="churn"), plan).default_model == "churn"
    with pytest.raises(ModelError, match="got 'other'; name it with --default-model"):
        pin_defaults(Settings(models=tmp_path, default_model="other"), plan)
    assert pin_defaults(Settings(models=tmp_path), Plan()).default_ranking_model == ""


@pytest.fixture
def folder(tmp_path):
    """With a model that was alone at start, and one of the usual name that came later."""
    for name in ("checkout", "conversion"):
        write_small_bundle(tmp_path, name=name)
    return tmp_path


def test_the_default_stays_at_the_next_start_whatever_the_name_of_what_came(folder):
    settings, plan = Settings(models=folder), plan_of(load_models(folder))
    assert load_models(folder).default_name == "conversion"
    keep_defaults(settings, plan, "checkout", "")
    assert load_models(folder).default_name == "checkout"
    assert pin_defaults(settings, plan).default_model == "checkout"
    assert load_models(folder, "conversion").default_name == "conversion", "a flag comes first"


def test_only_what_the_next_start_would_not_choose_is_kept(folder):
    plan = plan_of(load_models(folder))
    keep_defaults(Settings(models=folder), plan, "conversion", "")
    keep_defaults(Settings(models=folder, default_model="checkout"), plan, "checkout", "")
    assert not (folder / "defaults.json").exists()


def test_what_is_kept_of_each_kind_is_its_own(folder):
    for name in ("shelf", "lists"):
        write_ranking_bundle(folder, name=name)
    settings = Settings(models=folder)
    plan = plan_of(load_models(folder, default_ranking="shelf"))
    keep_defaults(settings, plan, "checkout", "")
    with pytest.raises(ModelError, match="--default-ranking-model"):
        load_models(folder)
    keep_defaults(settings, plan, "checkout", "shelf")
    found = load_models(folder)
    assert (found.default_name, found.default_ranking_name) == ("checkout", "shelf")


def test_a_default_that_was_taken_away_is_no_longer_one(folder):
    (folder / "defaults.json").write_text('{"default_model": "gone"}')
    assert load_models(folder).default_name == "conversion"


@pytest.mark.parametrize("content", ["{", '{"default": "checkout"}'])
def test_a_file_that_is_not_valid_is_an_error_and_no_reason_to_choose_another_model(folder, content):
    (folder / "defaults.json").write_text(content)
    with pytest.raises(ModelError, match=r"defaults\.json: is not valid: .*; correct it, or remove it"):
        load_models(folder)


def test_where_it_cannot_be_kept_the_log_says_what_the_next_start_needs(folder, caplog):
    plan = plan_of(load_models(folder))
    (folder / f".defaults.json.{os.getpid()}").mkdir()  # in place of a file, which root could write
    keep_defaults(Settings(models=folder), plan, "checkout", "")
    (line,) = caplog.messages
    assert line.endswith(
        "defaults.json cannot be written (Is a directory): the next start needs --default-model checkout"
    )


async def test_a_server_that_took_a_second_model_up_starts_again_with_the_same_flags(store, tmp_path):
    write_small_bundle(tmp_path, name="checkout")
    settings = {"redis_url": store.url, "models": tmp_path}

    async def score(served, **fields):
        return (await served.stub.Score(pb.ScoreRequest(user_id="ada", **fields))).prediction.model

    async with serving(**settings, reload_seconds=0.05) as served:
        write_small_bundle(tmp_path, name="churn")
        async with asyncio.timeout(GENEROUS_SECONDS):
            while not (tmp_path / "defaults.json").exists():  # noqa: ASYNC110 - written by a thread
                await asyncio.sleep(0.05)
        assert [await score(served), await score(served, model="churn")] == ["checkout", "churn"]
    async with serving(**settings) as served:
        assert [await score(served), await score(served, model="churn")] == ["checkout", "churn"]
