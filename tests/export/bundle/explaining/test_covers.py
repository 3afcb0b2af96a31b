"""``explain.npz`` comes back as it was written, and anything else is rejected."""

from __future__ import annotations

import hashlib
import io
import zipfile

import msgspec
import numpy as np
import pytest

from presage_export.bundle import read_bundle
from presage_export.bundle.explaining import Explainer, NotExplainableError
from presage_export.bundle.explaining.covers import Covers, pack_covers, unpack_covers
from presage_export.bundle.manifest import FeatureSetSpec, encode_manifest, seal_manifest
from presage_export.errors import BundleError
from presage_export.exporter import export_model
from support.bundle_files import as_older_format
from support.export_models import binary_model, rows_of, write_model

COVERS = Covers(cover=np.array([7.0, 3.0, 4.0]), weighting="rows", means=np.array([0.1, 2.0]))


def unpack(data: bytes, *, nodes: int = 3, features: int = 2, most: int = 10_000) -> Covers:
    return unpack_covers(data, node_count=nodes, feature_count=features, max_bytes=most)


@pytest.mark.parametrize("cover", [[7.0, 3.0, 4.0], [0.1, 0.0, 2.0**24 + 1.0]])
def test_arrays_come_back(cover):
    covers = Covers(cover=np.array(cover), weighting="hessians", means=np.zeros(0))
    back = unpack(pack_covers(covers))
    assert back.cover.tolist() == cover
    assert (back.weighting, back.means.tolist()) == ("hessians", [])
    assert pack_covers(back) == pack_covers(covers)


def archive(compression: int = zipfile.ZIP_STORED, **arrays) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", compression) as file:
        for name, array in arrays.items():
            content = io.BytesIO()
            np.save(content, array)
            file.writestr(f"{name}.npy", content.getvalue())
    return buffer.getvalue()


THREE = np.ones(3)
BAD = {
    "no archive": (b"no archive", "is no archive"),
    "unknown weighting": (archive(**{"cover.days": THREE}), "other entries"),
    "two weightings": (archive(**{"cover.rows": THREE, "cover.hessians": THREE}), "other entries"),
    "compressed": (archive(zipfile.ZIP_DEFLATED, **{"cover.rows": THREE}), "compressed"),
    "integers": (archive(**{"cover.rows": np.ones(3, np.int64)}), "float64 in C order"),
    "too few": (archive(**{"cover.rows": np.ones(2)}), "one for each of 3 nodes"),
    "no cover": (archive(means=np.ones(2)), "one for each of 3 nodes"),
    "negative": (archive(**{"cover.rows": np.array([1.0, -1.0, 2.0])}), "no cover below 0"),
    "not finite": (archive(**{"cover.rows": np.array([1.0, np.nan, 2.0])}), "finite"),
    "other features": (archive(**{"cover.rows": THREE, "means": np.ones(3)}), "means: expected none, or 2"),
    "large": (archive(**{"cover.rows": np.ones(2_000)}), "at most 10000 bytes"),
}


@pytest.mark.parametrize("name", BAD)
def test_other_files_are_rejected(name):
    data, message = BAD[name]
    with pytest.raises(ValueError, match=message):
        unpack(data)


def export(directory, **changes):
    rows = rows_of(200)
    spec = FeatureSetSpec(
        name="five", features=("a", "b", "c", "d", "e"), time_zone="UTC", countries=(), fingerprint="0" * 64
    )
    export_model(binary_model(), directory, rows=rows, feature_set=spec, objective="binary", **changes)
    return read_bundle(directory)


def test_an_exported_bundle_is_explained(tmp_path):
    bundle = export(tmp_path / "conversion" / "1")
    assert isinstance(bundle.explainer, Explainer)
    assert "explain.npz" in bundle.manifest.files
    row = rows_of(1, seed=4)[0]
    assert bundle.explainer.explain(row).margin == pytest.approx(float(bundle.model.margins(row[None])[0]), abs=1e-5)
    export(tmp_path / "conversion" / "1", overwrite=True)


def test_a_bundle_without_the_file_serves_and_says_what_to_do(tmp_path):
    write_model(tmp_path / "conversion" / "1", binary_model())
    bundle = read_bundle(tmp_path / "conversion" / "1")
    assert len(bundle.scores(rows_of(3))) == 3
    assert isinstance(bundle.explainer, NotExplainableError)
    assert "train or export the model again" in str(bundle.explainer)


@pytest.mark.parametrize("format_version", [1, 2])
def test_a_bundle_of_an_older_format_serves_and_says_what_to_do(tmp_path, format_version):
    directory = tmp_path / "conversion" / "1"
    write_model(directory, binary_model())
    as_older_format(directory, format_version)
    bundle = read_bundle(directory)
    assert len(bundle.scores(rows_of(3))) == 3
    with pytest.raises(NotExplainableError, match=r"has no explain\.npz.*train or export the model again"):
        bundle.explain(rows_of(1)[0])


def test_an_altered_file_is_rejected(tmp_path):
    directory = tmp_path / "conversion" / "1"
    export(directory)
    path = directory / "explain.npz"
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(BundleError, match=r"explain\.npz: expected SHA-256"):
        read_bundle(directory)
    path.unlink()
    with pytest.raises(BundleError, match=r"explain\.npz: is missing"):
        read_bundle(directory)


def test_a_file_of_another_model_is_rejected_though_its_digest_is_right(tmp_path):
    directory = tmp_path / "conversion" / "1"
    manifest = export(directory).manifest
    data = pack_covers(COVERS)
    (directory / "explain.npz").write_bytes(data)
    files = {**manifest.files, "explain.npz": hashlib.sha256(data).hexdigest()}
    changed = seal_manifest(msgspec.structs.replace(manifest, files=files))
    (directory / "manifest.json").write_bytes(encode_manifest(changed))
    with pytest.raises(BundleError, match=r"explain\.npz: cover: expected one for each of"):
        read_bundle(directory)
