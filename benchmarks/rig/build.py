"""Builds the benchmarks' C and C++ programs, such as the rig's load generator, and the proxy that makes a store seem far away."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Collection, Sequence
from functools import cache
from pathlib import Path

from benchmarks.rig.command import MissingRequirementError

__all__ = ["build", "build_program"]

_SOURCES = Path(__file__).with_name("programs")
_BUILT = Path(__file__).with_name("build")
_LIBRARIES = {"load": ("-lnghttp2",), "delay": ()}


@cache
def build_program(name: str) -> Path:
    """Build a program, ``load`` or ``delay``, if a source is newer than what was built.

    Raises:
        MissingRequirementError: It cannot be built; the message names what is missing.
    """
    return build(
        _BUILT / name,
        tuple(_SOURCES.iterdir()),
        (os.environ.get("CXX", "g++"), "-O2", "-std=c++20", str(_SOURCES / f"{name}.cc"), *_LIBRARIES[name]),
        missing="the load generator cannot be built: it needs a C++ compiler and libnghttp2 (Debian: g++ libnghttp2-dev)",
    )


def build(built: Path, sources: Collection[Path], command: Sequence[str], *, missing: str) -> Path:
    """Run a compiler if one of the sources is newer than what was built; returns ``built``.

    Args:
        built: The file to make.
        sources: What it depends on.
        command: The compiler and its arguments, without the output.
        missing: The text of the error.

    Raises:
        MissingRequirementError: The compiler is missing, or fails.
    """
    if built.exists() and built.stat().st_mtime >= max(path.stat().st_mtime for path in sources):
        return built
    built.parent.mkdir(exist_ok=True)
    half_done = built.with_name(f"{os.getpid()}-{built.name}")  # others may be building, or running what is there
    try:
        subprocess.run((*command, "-o", str(half_done)), check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingRequirementError(missing) from error
    half_done.replace(built)
    return built
