from __future__ import annotations

import os

import pytest

from benchmarks.rig import build
from benchmarks.rig.build import build_program
from benchmarks.rig.command import MissingRequirementError


@pytest.fixture
def folders(tmp_path, monkeypatch):
    """Folders of a source and a program, on a machine without a compiler."""
    sources, built = tmp_path / "programs", tmp_path / "build"
    for folder in (sources, built):
        folder.mkdir()
    (sources / "load.cc").touch()
    (sources / "histogram.h").touch()
    monkeypatch.setattr(build, "_SOURCES", sources)
    monkeypatch.setattr(build, "_BUILT", built)
    monkeypatch.setenv("CXX", str(tmp_path / "no-compiler"))
    return sources, built


def test_a_missing_compiler_is_named(folders):
    with pytest.raises(MissingRequirementError, match=r"needs a C\+\+ compiler and libnghttp2"):
        build_program.__wrapped__("load")


@pytest.mark.parametrize("newer", ["load.cc", "histogram.h"])
def test_a_program_is_built_again_where_a_source_is_newer(folders, newer):
    sources, built = folders
    (built / "load").touch()
    for path in sources.iterdir():
        os.utime(path, (1, 1))
    assert build_program.__wrapped__("load") == built / "load"
    os.utime(sources / newer, (2**32, 2**32))
    with pytest.raises(MissingRequirementError):
        build_program.__wrapped__("load")
