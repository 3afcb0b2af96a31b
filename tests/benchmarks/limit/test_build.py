"""The build itself takes a while and needs Debian's packages: ``make bench-limit`` does it."""

from __future__ import annotations

import pytest

from benchmarks.limit import build
from benchmarks.limit.build import build_servers, missing_packages
from benchmarks.rig.command import MissingRequirementError

TOOLS = ("g++", "grpc_cpp_plugin", "pkg-config", "protoc")


@pytest.fixture
def tools(tmp_path, monkeypatch):
    """A machine with all tools, whose pkg-config knows all libraries but hiredis."""
    folder = tmp_path / "bin"
    folder.mkdir()
    for name in TOOLS:
        (folder / name).write_text('#!/bin/sh\n[ "$2" != hiredis ]\n')
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", str(folder))
    monkeypatch.delenv("CXX", raising=False)
    return folder


def test_a_library_that_is_missing_is_named_by_its_package(tools):
    assert missing_packages() == ["libhiredis-dev"]


@pytest.mark.parametrize(
    ("tool", "package"),
    [("protoc", "protobuf-compiler"), ("grpc_cpp_plugin", "protobuf-compiler-grpc"), ("g++", "g++")],
)
def test_a_tool_that_is_missing_is_named_by_its_package(tools, tool, package):
    (tools / tool).unlink()

    assert missing_packages() == sorted(["libhiredis-dev", package])


def test_without_pkg_config_all_libraries_count_as_missing(tools):
    (tools / "pkg-config").unlink()

    assert missing_packages() == ["libgrpc++-dev", "libhiredis-dev", "libprotobuf-dev", "pkg-config", "zlib1g-dev"]


def test_another_compiler_may_be_named(tools, monkeypatch):
    (tools / "g++").rename(tools / "other-g++")
    monkeypatch.setenv("CXX", "other-g++")

    assert missing_packages() == ["libhiredis-dev"]


def test_nothing_is_built_where_a_package_is_missing(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BUILT", tmp_path / "build")

    with pytest.raises(MissingRequirementError, match="without these Debian packages: libhiredis-dev"):
        build_servers()
    assert not (tmp_path / "build").exists()


def test_what_is_newer_than_its_sources_is_not_built_again(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BUILT", tmp_path)
    for name in ("echo", "service"):
        (tmp_path / name).touch()

    assert build_servers().service == tmp_path / "service"


def test_a_failing_build_says_what_failed_and_why(tools, tmp_path, monkeypatch):
    monkeypatch.setattr(build, "_BUILT", tmp_path / "build")
    (tools / "pkg-config").write_text("#!/bin/sh\n")
    (tools / "protoc").write_text("#!/bin/sh\necho a reason >&2\nexit 1\n")

    with pytest.raises(RuntimeError, match=r"protoc .* failed:\na reason$"):
        build_servers()
