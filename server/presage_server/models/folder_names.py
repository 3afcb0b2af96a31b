"""Texts about files of the models' folder, for callers: they name files in it, and not where it lies on the host."""

from __future__ import annotations

from pathlib import Path

__all__ = ["without_folder"]


def without_folder(text: str, directory: Path) -> str:
    """Shorten the paths in a text to those within the folder of models."""
    for path in (str(directory.absolute()), str(directory)):
        text = text.replace(f"{path}/", "")
        if len(path) > 1:
            text = text.replace(path, "the folder of models")
    return text
