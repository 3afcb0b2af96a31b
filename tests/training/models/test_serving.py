"""Every kind of model is served, and answers over gRPC as its own library does."""

from __future__ import annotations

import numpy as np
import pytest
from training.models.data import NAMES, parts_of

from presage.v1 import prediction_pb2, scoring_service_pb2
from presage_export.bundle import read_bundle
from presage_export.bundle.onnx_wire import read_graph_contents
from presage_export.bundle.structure import ALLOWED_OPERATORS
from presage_export.errors import BundleError
from presage_export.reading.source_model import read_source_model
from presage_featurizer import CONVERSION, FeatureSet
from presage_server.models.loading import load_model
from presage_training.models import KINDS, FitOptions, export_fitted, fit
from support.running_server import serving

pytestmark = pytest.mark.xdist_group("kinds")  # which are fitted once

ROWS = 10_000
CALL = 1_000
TOLERANCE = 1e-6
# A margin is served as float32, one step of which is 1.2e-7 of the number; a probability comes out of one near 0.
IDENTITY_TOLERANCE = 1e-6
# XGBoost rounds to float32 after each of hundreds of trees, the graph once after all.
XGBOOST_IDENTITY_TOLERANCE = 1e-5

FEATURES = FeatureSet(name="made-up", features=CONVERSION.features[: len(NAMES)])


@pytest.fixture(scope="module")
def bundles(fitted_kinds, tmp_path_factory):
    directory = tmp_path_factory.mktemp("kinds")
    for kind in KINDS:
        fitted, test = fitted_kinds[kind]
        report = export_fitted(
            fitted,
            directory / kind / "1",
            rows=test.features,
            feature_set=FEATURES,
            metrics={"auc": 0.5},
            data={"seed": 1},
        )
        assert report.rows > len(test)
    return directory


@pytest.fixture(scope="module")
def rows():
    """Rows like those that the models were trained on, and as many that are not."""
    (*_, like) = parts_of(ROWS * 5 // 2, seed=7)
    random = np.random.default_rng(1)
    unlike = np.floor(random.exponential(1_000.0, size=like.features.shape)).astype(np.float32)
    return np.concatenate([like.features, unlike])[:ROWS]


@pytest.mark.slow
async def test_every_kind_is_served_as_its_own_library_predicts(store, bundles, fitted_kinds, rows):
    async with serving(redis_url=store.url, models=bundles, default_model="stacking") as server:
        for kind in KINDS:
            fitted, _ = fitted_kinds[kind]
            served = []
            for chunk in np.array_split(rows, len(rows) // CALL):
                vectors = [prediction_pb2.FeatureVector(values=row) for row in chunk]
                request = scoring_service_pb2.ScoreVectorsRequest(model=kind, vectors=vectors)
                served += [one.score for one in (await server.stub.ScoreVectors(request)).predictions]

            assert len(served) == ROWS
            expected = fitted.predict(rows)
            tolerance = TOLERANCE
            if fitted.link == "identity":
                tolerance = XGBOOST_IDENTITY_TOLERANCE if kind == "xgboost-regressor" else IDENTITY_TOLERANCE
                tolerance *= np.abs(expected).max()
                exact = read_source_model(fitted.trained).model.margins(rows)
                np.testing.assert_allclose(served, exact, rtol=0, atol=IDENTITY_TOLERANCE * np.abs(exact).max())
            np.testing.assert_allclose(served, expected, rtol=0, atol=tolerance, err_msg=kind)


@pytest.mark.slow
@pytest.mark.parametrize("kind", KINDS)
def test_the_manifest_says_what_it_is(bundles, fitted_kinds, kind):
    fitted, _ = fitted_kinds[kind]
    manifest = read_bundle(bundles / kind / "1").manifest
    operators = read_graph_contents((bundles / kind / "1" / "model.onnx").read_bytes()).operators

    assert manifest.link == fitted.link
    assert manifest.calibration == fitted.calibration
    assert (
        manifest.objective
        == {"classification": "binary", "regression": "regression", "ranking": "lambdarank"}[KINDS[kind]]
    )
    assert manifest.data == {"kind": kind, "seed": 1}
    assert {"presage-scoring", "onnx", "numpy"} <= manifest.libraries.keys()
    assert "unknown" not in manifest.libraries.values()
    assert set(operators) <= ALLOWED_OPERATORS


@pytest.mark.parametrize("kind", ["xgboost-classifier", "logistic-regression"])
def test_isotonic_calibration_is_served_too(fitted_kinds, tmp_path, rows, kind):
    fitted = fit(kind, *parts_of(2_500)[:2], seed=1, options=FitOptions(calibration="isotonic"))
    export_fitted(fitted, tmp_path / kind / "1", rows=rows[:500], feature_set=FEATURES)
    served = load_model(tmp_path / kind / "1").predict(rows)

    np.testing.assert_allclose(served, fitted.predict(rows), rtol=0, atol=TOLERANCE)


@pytest.mark.slow
def test_the_same_model_gives_the_same_bytes(bundles, fitted_kinds, tmp_path):
    for kind in ("blending", "logistic-regression", "xgboost-classifier"):
        fitted, test = fitted_kinds[kind]
        again = tmp_path / kind / "1"
        export_fitted(fitted, again, rows=test.features, feature_set=FEATURES, metrics={"auc": 0.5}, data={"seed": 1})

        for path in again.iterdir():
            assert path.read_bytes() == (bundles / kind / "1" / path.name).read_bytes()


def test_a_folder_whose_name_no_model_can_have_is_refused(fitted_kinds, tmp_path):
    fitted, test = fitted_kinds["prevalence"]

    with pytest.raises(BundleError, match="expected 1 to 64 letters"):
        export_fitted(fitted, tmp_path / "_" / "1", rows=test.features, feature_set=FEATURES)
    assert not list(tmp_path.iterdir())
