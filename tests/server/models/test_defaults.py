"""The models of calls that name none stay the same when others are added while a server runs."""

from __future__ import annotations

import pytest

from presage_server.errors import ModelError
from presage_server.models.defaults import pin_defaults
from presage_server.models.loading import load_models, plan_of
from presage_server.models.plan import Plan
from presage_server.settings import Settings
from presage_server.workers.changes import WorkerChanges
from support.bundles import write_small_bundle


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
