"""The committed stubs refuse older runtimes: the floors of the base install have to be what they ask for."""

from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
STUBS = sorted((ROOT / "proto/presage/v1").glob("*_pb2*.py"))


def floor(package: str, dependencies: list[str]) -> tuple[int, ...]:
    """Return the version that a `package>=version` among dependencies asks for."""
    (version,) = [found[1] for line in dependencies if (found := re.fullmatch(rf"{package}>=([\d.]+)", line))]
    return as_numbers(version)


def as_numbers(version: str) -> tuple[int, ...]:
    return tuple(map(int, version.split(".")))


@pytest.fixture(scope="module")
def project():
    return tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]


def stamps(pattern: str) -> set[tuple[int, ...]]:
    """Return the versions that the stubs are stamped with."""
    return {as_numbers(version) for stub in STUBS for version in re.findall(pattern, stub.read_text())}


def test_the_floor_of_protobuf_is_the_version_that_wrote_the_messages(project):
    assert stamps(r"# Protobuf Python Version: ([\d.]+)") == {floor("protobuf", project["dependencies"])}


def test_the_floor_of_grpcio_is_the_version_that_wrote_the_service(project):
    assert stamps(r"GRPC_GENERATED_VERSION = '([\d.]+)'") == {floor("grpcio", project["dependencies"])}


def test_the_servers_parts_of_grpc_have_the_same_floor(project):
    server, base = project["optional-dependencies"]["server"], project["dependencies"]
    for package in ("grpcio-health-checking", "grpcio-reflection"):
        assert floor(package, server) == floor("grpcio", base)
