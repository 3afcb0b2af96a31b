"""The bundle of a ranking model ranks as its source model does, or is refused."""

from __future__ import annotations

import hashlib

import numpy as np
import pytest
import xgboost

from presage_export.bundle import read_bundle
from presage_export.bundle.ranking import is_ranking_bundle, load_ranking_bundle
from presage_export.errors import BundleError, UnsupportedModelError
from support.bundle_files import change_golden, change_manifest
from support.export_models import binary_model, labels_of, margins_of, rows_of, write_model
from support.ranking_bundles import GROUP, ITEMS, ranking_model, spec_of, tables_of, write_ranking_model


@pytest.fixture(scope="module")
def booster():
    return ranking_model()


@pytest.fixture
def directory(tmp_path, booster):
    write_ranking_model(tmp_path / "ranking" / "1", booster)
    return tmp_path / "ranking" / "1"


def _assert_refused(directory, file_name, reason):
    with pytest.raises(BundleError, match=reason) as refusal:
        load_ranking_bundle(directory)
    assert directory / file_name == refusal.value.path


def _replace_table(directory, name, array):
    path = directory / "tables" / f"{name}.npy"
    np.save(path, array)
    change_manifest(directory, files={f"tables/{name}.npy": hashlib.sha256(path.read_bytes()).hexdigest()})


@pytest.mark.parametrize("objective", ["lambdarank", "rank_xendcg"])
def test_it_scores_as_the_original(tmp_path, objective):
    booster = ranking_model(objective=objective, rounds=60)
    report = write_ranking_model(tmp_path / "ranking" / "1", booster, objective=objective)

    bundle = load_ranking_bundle(tmp_path / "ranking" / "1")
    rows = rows_of(GROUP, seed=4)
    scores = bundle.scores(rows)

    np.testing.assert_allclose(scores, margins_of(booster, rows), rtol=0, atol=2e-5)
    assert scores.dtype == np.float64
    assert (report.groups, report.near_ties) == (20, 0)
    assert bundle.manifest.objective == objective


def test_a_ranker_of_xgboost_is_exported_too(tmp_path):
    rows = rows_of(1_600)
    ranker = xgboost.XGBRanker(objective="rank:ndcg", n_estimators=20, n_jobs=1)
    ranker.fit(rows, labels_of(rows) > 1, group=[GROUP] * 40)

    write_ranking_model(tmp_path / "ranking" / "1", ranker, objective="rank:ndcg")

    np.testing.assert_allclose(
        load_ranking_bundle(tmp_path / "ranking" / "1").scores(rows), ranker.predict(rows), rtol=0, atol=1e-5
    )


def test_it_has_the_tables_that_were_written(directory):
    bundle = load_ranking_bundle(directory)

    expected = tables_of()
    assert bundle.arrays.keys() == expected.keys()
    for name, array in expected.items():
        np.testing.assert_array_equal(bundle.arrays[name], array)
        assert bundle.arrays[name].dtype == array.dtype
        with pytest.raises(ValueError, match="read-only"):
            bundle.arrays[name][0] = 0
    assert bundle.spec.items == ITEMS
    assert bundle.spec.groups == (GROUP,) * 16


def test_the_same_model_gives_the_same_bytes(tmp_path, directory):
    again = tmp_path / "again" / "ranking" / "1"
    write_ranking_model(again, ranking_model())

    files = sorted(path.relative_to(directory) for path in directory.rglob("*") if path.is_file())
    assert len(files) == 3 + len(tables_of())
    for file in files:
        assert (directory / file).read_bytes() == (again / file).read_bytes()


def test_each_kind_of_bundle_is_told_from_the_other(tmp_path, directory):
    scoring = tmp_path / "conversion" / "1"
    write_model(scoring, binary_model())

    assert is_ranking_bundle(directory)
    assert not is_ranking_bundle(scoring)
    with pytest.raises(BundleError, match="that of a ranking model"):
        read_bundle(directory)
    with pytest.raises(BundleError, match="cannot rank items"):
        load_ranking_bundle(scoring)


def test_a_bundle_is_replaced_only_on_request_and_only_if_it_is_one(directory, booster):
    with pytest.raises(BundleError, match="exists already"):
        write_ranking_model(directory, booster)
    write_ranking_model(directory, booster, arrays=tables_of(items=30), overwrite=True)
    assert load_ranking_bundle(directory).spec.items == 30
    assert [directory] == list(directory.parent.iterdir())

    (directory / "tables" / "notes.txt").write_text("precious")
    with pytest.raises(BundleError, match=r"holds more than a bundle \(tables/notes\.txt\)"):
        write_ranking_model(directory, booster, overwrite=True)


def test_a_shop_without_items_has_a_model(tmp_path, booster):
    arrays = {
        "digests": np.zeros(0, np.uint64),
        "viewed_together.rows": np.zeros((0, 20), np.int32),
        "viewed_together.weights": np.zeros((0, 20), np.float32),
        "sessions.starts": np.zeros(1, np.int32),
        "sessions.items": np.zeros(0, np.int32),
        "sessions.item_starts": np.zeros(1, np.int32),
        "sessions.of_items": np.zeros(0, np.int32),
    }
    write_ranking_model(tmp_path / "ranking" / "1", booster, arrays=arrays)

    bundle = load_ranking_bundle(tmp_path / "ranking" / "1")
    assert {name: array.shape for name, array in bundle.arrays.items()} == {
        name: array.shape for name, array in arrays.items()
    }


def test_a_model_of_probabilities_cannot_rank(tmp_path):
    with pytest.raises(UnsupportedModelError, match="lambdarank"):
        write_ranking_model(tmp_path / "ranking" / "1", binary_model(), objective="binary")
    assert not (tmp_path / "ranking").exists()


def test_groups_in_another_order_are_noticed(directory):
    """Margins that are all a little lower would pass if only differences counted; here two candidates change places."""
    golden = dict(np.load(directory / "golden.npz"))
    bundle = load_ranking_bundle(directory)
    margins = golden["margins"]
    first = len(margins) - sum(bundle.spec.groups)
    group = margins[first : first + GROUP]
    margins[[first + group.argmax(), first + group.argmin()]] = group.min(), group.max()
    change_golden(directory, margins=margins)

    _assert_refused(directory, "golden.npz", "does not reproduce it on this host")


@pytest.mark.parametrize(
    ("name", "change", "reason"),
    [
        (
            "viewed_together.rows",
            lambda a: np.where(a == a.max(), np.int32(ITEMS), a),
            r"rows: expected -1 to 49, got -1 to 50",
        ),
        ("viewed_together.rows", lambda a: np.where(a == a.max(), np.int32(-2), a), r"rows: expected -1 to 49, got -2"),
        (
            "viewed_together.rows",
            lambda a: a[:-1],
            r"rows: expected int32 of shape \[50, any\], got int32 of \[49, 4\]",
        ),
        ("viewed_together.weights", lambda a: a[:, :-1], r"weights: expected float32 of shape \[50, 4\]"),
        ("viewed_together.weights", lambda a: a * np.float32(np.nan), "expected finite numbers"),
        ("viewed_together.weights", lambda a: -a, "none negative"),
        ("sessions.starts", lambda a: a[::-1].copy(), "rising numbers from 0"),
        ("sessions.starts", lambda a: a + 1, "rising numbers from 0"),
        ("sessions.starts", lambda a: a[:0], "rising numbers from 0"),
        ("sessions.items", lambda a: a + ITEMS, "expected 0 to 49"),
        ("sessions.of_items", lambda a: a + 20, "expected 0 to 19"),
        ("sessions.item_starts", lambda a: a[:-1], r"expected int32 of shape \[51\]"),
        ("sessions.of_items", lambda a: a[::-1].copy(), "sessions.of_items: expected falling numbers"),
        ("sessions.of_items", lambda a: a * 0, "falling numbers for each item, each session once"),
        (
            "viewed_together.rows",
            lambda a: np.tile(a, (1, 65)),
            "viewed_together.rows: expected at most 256 for each item, got 260",
        ),
        ("repeat_rates", lambda a: a * np.float32(np.inf), "repeat_rates: expected finite numbers"),
        ("repeat_rates", lambda a: a.view(np.int32), "repeat_rates: expected float32"),
        ("digests", lambda a: a * np.uint64(0), "digests: expected each once"),
    ],
)
def test_tables_that_do_not_fit_each_other_are_refused(directory, name, change, reason):
    _replace_table(directory, name, change(tables_of()[name]))

    _assert_refused(directory, "tables", reason)


@pytest.mark.parametrize(
    ("array", "reason"),
    [
        (np.zeros(ITEMS), "expected little-endian int32, uint64 or float32"),
        (np.zeros(ITEMS, ">f4"), "expected little-endian"),
        (np.zeros((ITEMS, 2), np.float32, order="F"), "in C order"),
        (np.zeros((ITEMS, 1, 1), np.float32), "1 or 2 dimensions"),
        (np.float32(1.0), "1 or 2 dimensions"),
        (np.array(["a"] * ITEMS), "expected little-endian"),
    ],
)
def test_arrays_of_another_kind_are_refused(directory, array, reason):
    _replace_table(directory, "repeat_rates", array)

    _assert_refused(directory, "tables/repeat_rates.npy", reason)


def test_objects_are_never_unpickled(directory):
    path = directory / "tables" / "repeat_rates.npy"
    np.save(path, np.array([print] * ITEMS), allow_pickle=True)
    change_manifest(directory, files={"tables/repeat_rates.npy": hashlib.sha256(path.read_bytes()).hexdigest()})

    _assert_refused(directory, "tables/repeat_rates.npy", "expected little-endian")


@pytest.mark.parametrize("length", [0, 5, 60, 128, 200])
@pytest.mark.parametrize("believed", [False, True])
def test_a_truncated_table_is_refused(directory, length, believed):
    path = directory / "tables" / "viewed_together.rows.npy"
    path.write_bytes(path.read_bytes()[:length])
    if believed:
        change_manifest(
            directory, files={"tables/viewed_together.rows.npy": hashlib.sha256(path.read_bytes()).hexdigest()}
        )

    _assert_refused(
        directory, "tables/viewed_together.rows.npy", "is no array|truncated" if believed else "it was altered"
    )


def test_a_missing_table_is_named(directory):
    (directory / "tables" / "sessions.items.npy").unlink()

    _assert_refused(directory, "tables/sessions.items.npy", "is missing")


def test_a_table_that_others_need_is_named(tmp_path, booster):
    arrays = tables_of()
    del arrays["sessions.items"]

    with pytest.raises(BundleError, match=r"sessions\.items: is missing"):
        write_ranking_model(tmp_path / "ranking" / "1", booster, arrays=arrays)
    assert list((tmp_path / "ranking").iterdir()) == []


@pytest.mark.parametrize("file_name", ["../../etc/passwd", "tables/../model.onnx", "tables/x.pkl", "extra.bin"])
def test_no_file_outside_is_read(directory, file_name):
    change_manifest(directory, files={file_name: "0" * 64})

    with pytest.raises(BundleError, match="is no file that a ranking bundle has"):
        load_ranking_bundle(directory)


@pytest.mark.parametrize("name", ["a/b", "Tables", "", "x.y.z", "../x"])
def test_names_of_tables_are_plain(tmp_path, booster, name):
    with pytest.raises(ValueError, match="expected names such as"):
        write_ranking_model(
            tmp_path / "ranking" / "1", booster, arrays={**tables_of(), name: np.zeros(ITEMS, np.float32)}
        )


@pytest.mark.parametrize(
    ("changes", "field"),
    [
        ({"bucket_seconds": 7}, "bucket_seconds"),
        ({"bucket_seconds": 0}, "bucket_seconds"),
        ({"limits": {"popular": -1}}, "popular"),
        ({"truncation_level": 0}, "truncation_level"),
        ({"groups": (0,)}, "groups"),
        ({"groups": (1,) * 65}, "groups"),
        ({"items": -1}, "items"),
        ({"label_gains": (0.0, float("nan"))}, "label_gains"),
        ({"importances": {"x": float("inf")}}, "importances"),
        ({"candidates_per_query": float("inf")}, "candidates_per_query"),
    ],
)
def test_settings_out_of_bounds_are_named(changes, field):
    with pytest.raises(ValueError, match=field):
        spec_of(**changes)
