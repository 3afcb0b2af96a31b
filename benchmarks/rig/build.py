"""Builds the rig's C++ programs: the load generator, and the proxy that makes a store seem far away."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.rig.command import MissingRequirementError

__all__ = ["build_program"]

_SOURCES = Path(__file__).with_name("programs")
_BUILT = Path(__file__).with_name("build")
_LIBRARIES = {"load": ("-lnghttp2",), "delay": ()}


@cache
def build_program(name: str) -> Path:
    """Build a program, ``load`` or ``delay``, if a source is newer than what was built.

    Raises:
        MissingRequirementError: It cannot be built; the message names what is missing.
    """
    built = _BUILT / name
    if built.exists() and built.stat().st_mtime >= max(path.stat().st_mtime for path in _SOURCES.iterdir()):
        return built
    _BUILT.mkdir(exist_ok=True)
    half_done = built.with_name(f"{name}-{os.getpid()}")  # others may be building, or running what is there
    flags = ("-O2", "-std=c++20", "-o", str(half_done))
    command = (os.environ.get("CXX", "g++"), *flags, str(_SOURCES / f"{name}.cc"), *_LIBRARIES[name])
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingRequirementError(
            "the load generator cannot be built: it needs a C++ compiler and libnghttp2 (Debian: g++ libnghttp2-dev)"
        ) from error
    half_done.replace(built)
    return built
