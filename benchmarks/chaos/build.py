"""Builds the library that faults are made with inside a process."""

from __future__ import annotations

import os
import subprocess
from functools import cache
from pathlib import Path

from benchmarks.rig.command import MissingRequirementError

__all__ = ["preloaded_library"]

_SOURCE = Path(__file__).with_name("programs") / "faults.c"
_BUILT = Path(__file__).with_name("build") / "faults.so"


@cache
def preloaded_library() -> Path:
    """Build the library if its source is newer than what was built.

    Raises:
        MissingRequirementError: It cannot be built here.
    """
    if _BUILT.exists() and _BUILT.stat().st_mtime >= _SOURCE.stat().st_mtime:
        return _BUILT
    _BUILT.parent.mkdir(exist_ok=True)
    half_done = _BUILT.with_name(f"faults-{os.getpid()}.so")  # others may be building, or running what is there
    command = (os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", "-o", str(half_done), str(_SOURCE), "-ldl")
    try:
        subprocess.run(command, check=True, capture_output=True, text=True)
    except (OSError, subprocess.CalledProcessError) as error:
        raise MissingRequirementError(
            "the library of faults cannot be built: it needs a C compiler (Debian: gcc)"
        ) from error
    half_done.replace(_BUILT)
    return _BUILT
