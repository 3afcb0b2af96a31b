"""Faults planted into processes of a server: Python runs the planted code at their start, before any of Presage's."""

from __future__ import annotations

from pathlib import Path
from textwrap import dedent

__all__ = ["plant"]


def plant(folder: Path, code: str) -> dict[str, str]:
    """Write code that every Python process runs at its start.

    Args:
        folder: Where to write it; a folder of the test's own.
        code: What to run; it may import and change any module.

    Returns:
        The environment variables that make processes run it.
    """
    folder.joinpath("sitecustomize.py").write_text(dedent(code))
    return {"PYTHONPATH": str(folder)}
