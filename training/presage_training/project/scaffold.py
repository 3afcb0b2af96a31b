"""Writes a new project's folder."""

from __future__ import annotations

import re
import shlex
from collections.abc import Mapping
from importlib.resources import files
from pathlib import Path
from typing import Final

from presage_featurizer import FEATURE_SETS

__all__ = ["FILES", "commands", "project_name", "write_project"]

FILES: Final = ("features.toml", "features.py", "mapping.toml", "training.toml", "README.md")
"""What a project holds, in the order in which to look at it."""

_NOT_IN_NAMES = re.compile(r"[^A-Za-z0-9._-]+")
_MAX_NAME = 64
_DEFAULT_NAME = "shop"


def project_name(folder: Path) -> str:
    """Make the name of a project's feature set and first model from that of its folder."""
    name = _NOT_IN_NAMES.sub("-", folder.resolve().name).lstrip("._-")[:_MAX_NAME] or _DEFAULT_NAME
    return f"{name}-{_DEFAULT_NAME}" if name in FEATURE_SETS else name


def commands(folder: Path, log: Path | None) -> tuple[str, ...]:
    """Return the commands that lead from a log to a served model; without a log, ``LOG`` stands for it."""
    name = project_name(folder)
    # Where a pattern is meant, as in 'logs/*.csv', it needs the quotes.
    log_word = "LOG" if log is None else str(log)
    train = ("presage", "train", log_word, "--project", str(folder), "--to", "runs/first")
    inspect = ("presage", "inspect", log_word, "--to", str(folder / "mapping.toml"), "--force")
    return (
        *((shlex.join(inspect),) if log is None else ()),
        shlex.join((*train, "--bundle", f"models/{name}/1")),
        shlex.join(("presage", "serve", "--project", str(folder), "--models", "models", "--default-model", name)),
    )


def write_project(
    folder: Path, *, log: Path | None = None, mapping: str | None = None, training: Mapping[str, str] | None = None
) -> tuple[list[str], list[str]]:
    """Write the files of a project that do not exist yet.

    Args:
        folder: The project's folder; made if it does not exist.
        log: The log that the commands in its README name.
        mapping: The text of ``mapping.toml``; a template with comments if None.
        training: What to replace in the template of ``training.toml``, and by what.

    Returns:
        The names of the files that were written, and of those that existed and were kept.

    Raises:
        OSError: A file cannot be written.
    """
    folder.mkdir(parents=True, exist_ok=True)
    names = {
        "@NAME@": project_name(folder),
        "@DIR@": shlex.quote(str(folder)),
        "@LOG@": "LOG" if log is None else shlex.quote(str(log)),
        "@COMMANDS@": "\n".join(commands(folder, log)),
    }
    templates = files("presage_training.project") / "templates"
    written, kept = [], []
    for file in FILES:
        # Python with another ending, as it is no module of this package.
        text = (templates / (f"{file}.txt" if file.endswith(".py") else file)).read_text(encoding="utf-8")
        for marker, value in names.items():
            text = text.replace(marker, value)
        for before, after in (training or {}).items() if file == "training.toml" else ():
            text = text.replace(before, after)
        if file == "mapping.toml" and mapping is not None:
            text = mapping
        try:
            with (folder / file).open("x", encoding="utf-8") as output:
                output.write(text)
        except FileExistsError:
            kept.append(file)
        else:
            written.append(file)
    return written, kept
