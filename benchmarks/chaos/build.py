"""Builds the library that faults are made with inside a process."""

from __future__ import annotations

import os
from functools import cache
from pathlib import Path

from benchmarks.rig.build import build

__all__ = ["preloaded_library"]

_SOURCE = Path(__file__).with_name("programs") / "faults.c"
_BUILT = Path(__file__).with_name("build") / "faults.so"


@cache
def preloaded_library() -> Path:
    """Build the library if its source is newer than what was built.

    Raises:
        MissingRequirementError: It cannot be built here.
    """
    return build(
        _BUILT,
        (_SOURCE,),
        (os.environ.get("CC", "cc"), "-O2", "-shared", "-fPIC", str(_SOURCE), "-ldl"),
        missing="the library of faults cannot be built: it needs a C compiler (Debian: gcc)",
    )
