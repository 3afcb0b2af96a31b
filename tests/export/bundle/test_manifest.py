from __future__ import annotations

import json
import math

import msgspec
import pytest

from presage_export.bundle.calibration import IsotonicCalibration, SigmoidCalibration
from presage_export.bundle.coverage import GoldenCoverage
from presage_export.bundle.manifest import FeatureSetSpec, Manifest, decode_manifest, encode_manifest, seal_manifest

FEATURE_SET = {
    "name": "conversion",
    "features": ("recency_days", "frequency"),
    "time_zone": "UTC",
    "countries": (),
    "fingerprint": "ab" * 32,
}
FIELDS = {
    "name": "conversion",
    "version": "1",
    "feature_set": FeatureSetSpec(**FEATURE_SET),
    "link": "logit",
    "objective": "binary",
    "trees": 3,
    "metrics": {"log_loss": 0.5, "auc": 0.75},
    "data": {"rows": 10, "source": "made up", "share": 0.5},
    "libraries": {"lightgbm": "4.7.0"},
    "files": {"model.onnx": "0" * 64},
}


def test_a_manifest_comes_back_as_it_went():
    manifest = seal_manifest(Manifest(**FIELDS))

    assert manifest == decode_manifest(encode_manifest(manifest))


@pytest.mark.parametrize(
    "calibration",
    [SigmoidCalibration(a=1.25, b=-0.5), IsotonicCalibration(margins=(-1.0, 2.0), probabilities=(0.1, 0.8))],
)
def test_a_calibration_comes_back_as_it_went(calibration):
    manifest = seal_manifest(Manifest(**FIELDS, calibration=calibration))

    assert manifest == decode_manifest(encode_manifest(manifest))
    assert json.loads(encode_manifest(manifest))["calibration"]["kind"] in {"sigmoid", "isotonic"}


def test_without_a_calibration_the_text_says_null():
    assert json.loads(encode_manifest(Manifest(**FIELDS)))["calibration"] is None


def test_the_text_is_for_people_too():
    text = encode_manifest(Manifest(**FIELDS)).decode()

    assert text.endswith("}\n")
    assert len(text.splitlines()) > 20
    assert json.dumps(json.loads(text), sort_keys=True) == json.dumps(json.loads(text))


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("name", ""),
        ("name", "../conversion"),
        ("name", ".hidden"),
        ("name", "a" * 65),
        ("version", "1/2"),
        ("trees", -1),
        ("trees", 10**9),
        ("format_version", 0),
        ("format_version", 4),
        ("importances", {"frequency": 1.0}),
        ("importances", {"frequency": 1.0, "recency_days": 0.0, "surprise": 0.0}),
        ("importances", {"frequency": 0.5, "recency_days": 0.4}),
        ("importances", {"frequency": 1.5, "recency_days": -0.5}),
        ("importances", {"frequency": math.nan, "recency_days": 0.5}),
        ("metrics", {"auc": math.nan}),
        ("metrics", {"auc": math.inf}),
        ("data", {"share": math.nan}),
        ("files", {"model.onnx": "not a digest"}),
    ],
)
def test_a_field_out_of_bounds_is_named(field, value):
    with pytest.raises(ValueError, match=field):
        Manifest(**(FIELDS | {field: value}))


@pytest.mark.parametrize(
    ("field", "value"),
    [("name", ""), ("features", ()), ("features", ("a", "a")), ("features", ("",)), ("fingerprint", "AB" * 32)],
)
def test_a_feature_set_out_of_bounds_is_named(field, value):
    with pytest.raises(ValueError, match=rf"feature_set\.{field}"):
        FeatureSetSpec(**(FEATURE_SET | {field: value}))


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"calibration": {"kind": "platt"}}, "calibration"),
        ({"calibration": {"kind": "sigmoid", "a": -1.0, "b": 0.0}}, "calibration.a"),
        ({"calibration": {"kind": "sigmoid", "a": 1.0, "b": 0.0, "c": 0.0}}, "calibration"),
        ({"calibration": {"kind": "isotonic", "margins": [1.0, 0.0], "probabilities": [0.1, 0.2]}}, "calibration"),
        ({"link": "probit"}, "probit"),
        ({"surprise": 1}, "surprise"),
        ({"format_version": 4, "surprise": 1}, "format_version: expected 1 to 3, got 4"),
        ({"format_version": 2}, "importances: expected none in format 2"),
        ({"format_version": 2, "importances": None}, "importances"),
        ({"format_version": 1}, "expected none in format 1"),
        ({"format_version": -1}, "format_version"),
        ({"format_version": 10**30}, "format_version"),
        ({"golden": {"leaves": 2.0, "thresholds": 0.0}}, "golden.leaves"),
        ({"data": {"rows": 10**30}}, "data"),
        ({"objective": "other"}, "manifest_sha256: expected [0-9a-f]{64}, got '[0-9a-f]{64}': it was altered"),
        ({"manifest_sha256": ""}, "manifest_sha256: expected [0-9a-f]{64}, got ''"),
        ({"trees": "many"}, "trees"),
        ({"metrics": {"auc": None}}, "metrics"),
    ],
)
def test_a_text_that_says_something_else_is_refused_with_the_reason(change, reason):
    shares = {"frequency": 0.75, "recency_days": 0.25}
    fields = msgspec.to_builtins(seal_manifest(Manifest(**FIELDS, importances=shares))) | change

    with pytest.raises(ValueError, match=reason):
        decode_manifest(json.dumps(fields).encode())


@pytest.mark.parametrize("text", [b"", b"{", b"[]", b"null", b"{}", b"\xff"])
def test_a_text_that_is_no_manifest_is_refused(text):
    with pytest.raises(ValueError, match=r"."):
        decode_manifest(text)


@pytest.mark.parametrize("name", ["leaves", "thresholds"])
@pytest.mark.parametrize("share", [-0.1, 1.1, math.nan])
def test_a_share_out_of_bounds_is_named(name, share):
    with pytest.raises(ValueError, match=rf"golden\.{name}"):
        GoldenCoverage(**({"leaves": 1.0, "thresholds": 1.0} | {name: share}))


def test_every_field_without_a_default_is_required():
    fields = msgspec.to_builtins(Manifest(**FIELDS))

    for field in ("name", "version", "feature_set", "link", "objective", "trees"):
        without = {key: value for key, value in fields.items() if key != field}
        with pytest.raises(ValueError, match=field):
            decode_manifest(json.dumps(without).encode())


def test_what_a_projects_own_features_are_is_recorded_only_where_there_are_some():
    assert "custom" not in json.loads(encode_manifest(Manifest(**FIELDS)))["feature_set"]

    spec = FeatureSetSpec(**FEATURE_SET, custom={"frequency": '{"aggregate":"count"}'})
    manifest = seal_manifest(Manifest(**FIELDS | {"feature_set": spec}))
    assert decode_manifest(encode_manifest(manifest)) == manifest


@pytest.mark.parametrize("custom", [{}, {"other": "x"}])
def test_it_is_of_features_of_the_set(custom):
    with pytest.raises(ValueError, match=r"feature_set.custom: expected definitions of some of the features"):
        FeatureSetSpec(**FEATURE_SET, custom=custom)


def test_importances_come_back_in_the_order_of_the_features():
    manifest = seal_manifest(Manifest(**FIELDS, importances={"frequency": 0.75, "recency_days": 0.25}))

    decoded = decode_manifest(encode_manifest(manifest))
    assert decoded == manifest
    assert list(decoded.shares.items()) == [("recency_days", 0.25), ("frequency", 0.75)]


def test_a_manifest_without_importances_states_none():
    assert "importances" not in json.loads(encode_manifest(Manifest(**FIELDS)))
    assert Manifest(**FIELDS).shares == {}


@pytest.mark.parametrize("format_version", [1, 2])
def test_manifests_of_older_formats_are_read(format_version):
    manifest = Manifest(**FIELDS, format_version=format_version)
    if format_version > 1:
        manifest = seal_manifest(manifest)
    fields = msgspec.to_builtins(manifest)
    if format_version == 1:
        fields = {name: value for name, value in fields.items() if name not in {"golden", "manifest_sha256"}}

    assert decode_manifest(json.dumps(fields).encode()) == manifest
