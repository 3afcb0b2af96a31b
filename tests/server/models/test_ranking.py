"""Which ranking models of a folder are served, and which keep the server from starting."""

from __future__ import annotations

import hashlib
import shutil

import msgspec
import numpy as np
import pytest

from presage_featurizer.ranking.compiled import kernels, loading
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_replay import ItemReplay
from presage_server.errors import ModelError, ModelNotFoundError
from presage_server.models.binding import TableBinding
from presage_server.models.loading import load_models
from presage_server.models.ranking import load_ranking_model
from presage_server.pipeline.warming import VersionWarmer
from presage_server.ranking.current_items import FixedItems
from support.bundle_files import change_manifest
from support.bundles import write_small_bundle
from support.numpy_only import numpy_only
from support.rankings import a_shop, write_ranking_bundle


@pytest.fixture(scope="module")
def both(tmp_path_factory):
    """A folder with a model that scores and one that ranks."""
    directory = tmp_path_factory.mktemp("models")
    write_small_bundle(directory)
    write_ranking_bundle(directory)
    return directory


@pytest.fixture
def folder(both, tmp_path):
    """A folder of both that a test may change."""
    return shutil.copytree(both, tmp_path / "models")


def test_models_of_both_kinds_are_found_by_name(both):
    served = load_models(both)
    assert [model.name for model in served] == ["conversion"]
    assert [(model.name, model.version) for model in served.ranking_models] == [("ranking", "1")]
    assert served.ranking("") is served.ranking("ranking")
    with pytest.raises(ModelNotFoundError, match=r"model: expected one of \['ranking'\], got 'conversion'"):
        served.ranking("conversion")
    with pytest.raises(ModelNotFoundError, match=r"model: expected one of \['conversion'\], got 'ranking'"):
        served["ranking"]


def test_the_first_ranking_model_that_a_server_takes_up_ranks_as_fast_as_one_from_the_start(both):
    """Nothing that ranks has been loaded where no model ranked at start."""
    models = load_models(both)
    items = FixedItems(ItemColumns())
    with numpy_only():
        loading.LOADING.is_done = False
        VersionWarmer(TableBinding(models), items)([models["conversion"]])
        assert kernels() is None
        VersionWarmer(TableBinding(models), items)(models.ranking_models)
        assert kernels() is not None, "numba is one of the packages for development"


def test_a_ranking_model_may_be_alone(folder):
    shutil.rmtree(folder / "conversion")
    served = load_models(folder)
    assert served.ranking("").name == "ranking"
    with pytest.raises(ModelNotFoundError, match="but none is served"):
        served[""]


def test_a_default_of_the_other_kind_names_the_other_setting(both):
    with pytest.raises(ModelError, match="default_model: 'ranking' ranks items; name it with --default-ranking-model"):
        load_models(both, "ranking")
    with pytest.raises(
        ModelError, match="default_ranking_model: 'conversion' scores visitors; name it with --default-model"
    ):
        load_models(both, default_ranking="conversion")


def test_the_default_is_the_usual_one_the_given_one_or_the_only_one(folder):
    write_ranking_bundle(folder, name="other", seed=3)
    assert load_models(folder).ranking("").name == "ranking"
    assert load_models(folder, default_ranking="other").ranking("").name == "other"
    with pytest.raises(
        ModelError, match=r"default_ranking_model: expected one of .*, got 'third'; name it with --default-ranking"
    ):
        load_models(folder, default_ranking="third")
    shutil.rmtree(folder / "ranking")
    assert load_models(folder).ranking("").name == "other"


def test_the_highest_version_that_can_be_served_is(folder, caplog):
    write_ranking_bundle(folder, version="2", seed=3)
    assert load_models(folder).ranking("").version == "2"
    table = folder / "ranking" / "2" / "tables" / "digests.npy"
    table.write_bytes(table.read_bytes()[:-8])
    served = load_models(folder)
    assert served.ranking("").version == "1"
    assert served.rejected["ranking"] == 1
    assert "serving version 1 of ranking" in caplog.text


@pytest.mark.parametrize("table", ["viewed_together", "followed_by", "liked_together", "sessions", "repeat_rates"])
def test_a_model_without_a_table_is_rejected_and_the_version_before_serves(folder, table):
    version = shutil.copytree(folder / "ranking" / "1", folder / "ranking" / "2")
    files = [path.relative_to(version).as_posix() for path in (version / "tables").glob(f"{table}*.npy")]
    assert files
    change_manifest(version, version="2", files=dict.fromkeys(files))
    with pytest.raises(ModelError, match=f"expected {table}[a-z._]*.npy, got none; train the model again"):
        load_ranking_model(version)
    served = load_models(folder)
    assert (served.ranking("").version, served.rejected["ranking"]) == ("1", 1)


def test_what_a_table_of_sessions_repeats_is_rejected(folder):
    version = folder / "ranking" / "1"
    path = version / "tables" / "sessions.of_items.npy"
    array = np.load(path)
    np.save(path, array[::-1].copy())
    digest = hashlib.sha256(path.read_bytes()).hexdigest()
    change_manifest(version, files={"tables/sessions.of_items.npy": digest})
    with pytest.raises(ModelError, match="expected falling numbers for each item, each session once"):
        load_ranking_model(version)


def test_a_model_of_other_features_is_rejected(folder):
    version = folder / "ranking" / "1"
    manifest = load_ranking_model(version).bundle.manifest
    change_manifest(version, feature_set=msgspec.structs.replace(manifest.feature_set, fingerprint="0" * 64))
    with pytest.raises(
        ModelError, match=r"feature_set\.fingerprint: expected .* this release has other ranking features"
    ):
        load_ranking_model(version)


def test_a_model_with_limits_of_another_release_is_rejected(folder):
    version = folder / "ranking" / "1"
    spec = load_ranking_model(version).bundle.spec
    change_manifest(version, ranking=msgspec.structs.replace(spec, limits=spec.limits | {"crystal_ball": 3}))
    with pytest.raises(ModelError, match=r"ranking\.limits: .*crystal_ball.*; train the model again"):
        load_ranking_model(version)


def test_tables_follow_columns_that_grow_and_columns_of_another_store(both):
    model = load_ranking_model(both / "ranking" / "1")
    shop = a_shop()
    columns = ItemColumns()
    replay = ItemReplay(columns)
    middle = len(shop.events) // 2
    for part in (shop.events[:middle], shop.events[middle:]):
        for event in part:
            replay.add(event, event.event_time_unix_micros)
        replay.close_before(part[-1].event_time_unix_micros + 120_000_000)
        expected = shop.tables.bound(columns)
        bound = model.tables(columns)
        size = len(columns)
        assert np.array_equal(bound.table_rows_of[:size], expected.table_rows_of[:size])
        assert np.array_equal(bound.columns_of, expected.columns_of)
    assert model.tables(columns.fork()) is bound
    other = ItemColumns()
    assert model.tables(other).bound_items == 0
    assert set(model.tables(other).columns_of.tolist()) == {-1}
