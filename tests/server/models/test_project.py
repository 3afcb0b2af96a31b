"""A project's features at the start of a server: which models they let it serve, and what ``GetFeatures`` finds by name."""

from __future__ import annotations

import pytest

from presage_featurizer import CONVERSION
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError, SettingsError
from presage_server.models.loading import load_model, load_models
from presage_server.models.project import read_project
from support.bundles import write_small_bundle

LINES = """
name = "shop"
extends = "conversion"

[features]
page_events = { aggregate = "count", over = "visitor", events = ["PAGE_VIEW"] }
"""
OLD = CustomFeatures.parse(LINES)
NEW = CustomFeatures.parse(LINES + 'dear = { aggregate = "max", of = "item.price", over = "session" }\n')
CHANGED = CustomFeatures.parse(LINES.replace("PAGE_VIEW", "SEARCH"))


@pytest.fixture
def folder(tmp_path):
    """A folder with a model of the old project, two versions."""
    write_small_bundle(tmp_path, name="shop", version="1", feature_set=OLD.feature_set)
    return tmp_path


def test_without_a_project_there_is_none():
    assert read_project("") is None


@pytest.mark.parametrize(
    ("text", "message"),
    [
        (None, "project: {folder}: holds no features.toml; name a folder that presage init made"),
        ("[", "project: {folder}: "),
        (LINES.replace("count", "cuont"), "features.page_events.aggregate: expected one of count"),
    ],
)
def test_a_project_that_cannot_be_used_is_a_wrong_setting(tmp_path, text, message):
    if text is not None:
        (tmp_path / "features.toml").write_text(text)
    with pytest.raises(SettingsError) as rejected:
        read_project(str(tmp_path))
    assert message.format(folder=tmp_path) in str(rejected.value)


def test_a_project_is_read(tmp_path):
    (tmp_path / "features.toml").write_text(LINES)
    own = read_project(str(tmp_path))
    assert own is not None
    assert own.feature_set == OLD.feature_set


def test_a_project_that_has_gained_features_serves_the_old_model(folder):
    served = load_models(folder, custom=NEW)
    assert served[""].feature_set == OLD.feature_set
    assert served.feature_set("") == OLD.feature_set
    assert served.feature_set("shop") == NEW.feature_set


def test_models_of_a_project_before_and_after_a_feature_was_added_are_served_together(folder):
    write_small_bundle(folder, name="later", feature_set=NEW.feature_set)
    served = load_models(folder, "later", NEW)
    assert {model.name: len(model.feature_set.features) for model in served} == {"shop": 21, "later": 22}
    assert served.feature_set("shop") == NEW.feature_set


@pytest.mark.parametrize(
    ("custom", "message"),
    [
        (None, "'page_events' is a project's own feature; name the project's folder with --project or PRESAGE_PROJECT"),
        (CHANGED, "the project defines 'page_events' as "),
        (CustomFeatures.parse('name = "other"\nextends = "conversion"\n'), "the project has no feature 'page_events'"),
    ],
)
def test_a_model_is_rejected_by_the_features_name(folder, caplog, custom, message):
    with pytest.raises(ModelError) as rejected:
        load_model(folder / "shop" / "1", custom)
    assert str(rejected.value).startswith(f"{folder / 'shop' / '1' / 'manifest.json'}: feature_set.custom: ")
    assert message in str(rejected.value)

    write_small_bundle(folder, name="shop", version="0.1", feature_set=CONVERSION)
    served = load_models(folder, custom=custom)
    assert (served[""].version, served.rejected) == ("0.1", {"shop": 1})
    assert message in caplog.text
