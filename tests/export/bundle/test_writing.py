"""A bundle is written complete or not at all, and replaces nothing but a bundle."""

from __future__ import annotations

import re

import pytest

from presage_export.bundle import read_bundle, write_bundle
from presage_export.errors import BundleError
from support.bundle_files import FILES
from support.export_models import binary_model, graph_of, manifest_of, margins_of, rows_of, write_model


def test_the_same_model_gives_the_same_bytes(tmp_path, directory):
    manifest = write_model(tmp_path / "again" / "conversion" / "1", binary_model())

    assert manifest == read_bundle(directory).manifest
    for file_name in FILES:
        assert (directory / file_name).read_bytes() == (
            tmp_path / "again" / "conversion" / "1" / file_name
        ).read_bytes()


def test_an_existing_bundle_is_only_replaced_on_request(directory):
    before = (directory / "model.onnx").read_bytes()
    other = binary_model(rounds=3)

    with pytest.raises(BundleError, match="exists already"):
        write_model(directory, other)
    assert before == (directory / "model.onnx").read_bytes()

    write_model(directory, other, overwrite=True)
    assert read_bundle(directory).manifest.trees == 3
    assert [directory] == list(directory.parent.iterdir())


@pytest.mark.parametrize("stray", ["notes.txt", "src", ".git", "model.onnx.bak"])
def test_a_folder_that_holds_anything_but_a_bundle_is_not_replaced(directory, booster, stray):
    """Whoever named it may have meant another one."""
    if "." in stray[1:]:
        (directory / stray).write_text("precious")
    else:
        (directory / stray).mkdir()
        (directory / stray / "work.py").write_text("precious")
    before = {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}

    with pytest.raises(BundleError, match=rf"holds more than a bundle \({re.escape(stray)}\); nothing was replaced"):
        write_model(directory, booster, overwrite=True)

    assert before == {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}
    assert [directory] == list(directory.parent.iterdir())


def test_a_file_in_the_place_of_a_bundle_is_not_replaced(tmp_path, booster):
    (tmp_path / "1").write_text("precious")

    with pytest.raises(BundleError, match="cannot be replaced: Not a directory"):
        write_model(tmp_path / "1", booster, overwrite=True)

    assert (tmp_path / "1").read_text() == "precious"


@pytest.mark.parametrize("left", [[], ["model.onnx"], ["manifest.json", "golden.npz"]])
def test_what_is_left_of_a_bundle_is_replaced(directory, booster, left):
    for file_name in set(FILES) - set(left):
        (directory / file_name).unlink()

    write_model(directory, booster, overwrite=True)

    assert read_bundle(directory).manifest.trees == booster.num_trees()


def test_the_old_bundle_survives_where_neither_it_nor_the_new_one_can_be_moved_back(directory, booster, monkeypatch):
    """Under a hidden name, but whole."""
    before = {path.name: path.read_bytes() for path in directory.iterdir()}
    rename = type(directory).rename

    def only_leave(self, target):
        if target.name.endswith(".old"):
            return rename(self, target)
        raise OSError("disk trouble")

    monkeypatch.setattr(type(directory), "rename", only_leave)
    with pytest.raises(OSError, match="disk trouble"):
        write_model(directory, booster, overwrite=True)

    (survivor,) = directory.parent.iterdir()
    assert survivor.name.endswith(".old")
    assert before == {path.name: path.read_bytes() for path in survivor.iterdir()}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_write_that_fails_leaves_everything_as_it_was(directory, booster, monkeypatch, overwrite):
    target = directory if overwrite else directory.with_name("2")
    before = {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}
    rename = type(directory).rename

    def fail_to_arrive(self, target):
        if self.name.endswith(".new"):
            raise OSError("disk trouble")
        return rename(self, target)

    monkeypatch.setattr(type(directory), "rename", fail_to_arrive)
    with pytest.raises(OSError, match="disk trouble"):
        write_model(target, booster, overwrite=overwrite)

    assert before == {path: path.read_bytes() for path in directory.parent.rglob("*") if path.is_file()}
    assert [directory] == list(directory.parent.iterdir())


def test_a_bundle_that_would_be_refused_is_not_written(tmp_path, booster):
    rows = rows_of(64)

    with pytest.raises(BundleError, match="does not reproduce"):
        write_bundle(
            tmp_path / "conversion" / "1",
            manifest=manifest_of(booster),
            model_bytes=graph_of(booster),
            golden_rows=rows,
            golden_margins=margins_of(booster, rows) + 0.1,
        )

    assert not list(tmp_path.iterdir())
