"""What a learner decided about the versions of a model: a line of JSON for each decision, appended and never changed."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import msgspec

__all__ = ["VERDICTS_FILE", "Verdict", "append_verdict", "read_verdicts"]

VERDICTS_FILE: Final = "learning.jsonl"
"""The file's name, beside the versions."""


class Verdict(msgspec.Struct, frozen=True, kw_only=True):
    """One decision, with its numbers."""

    decided_at_unix_micros: int
    version: str
    verdict: str
    """``prior``, ``not trained``, ``rejected``, ``challenger``, ``continue``, ``promote``, ``roll back`` or ``give up``."""
    reason: str
    purchases: int = 0
    """Of ``challenger``: the purchases that there were when it was trained."""


def append_verdict(folder: Path, verdict: Verdict) -> None:
    """Append a verdict to the history of a model."""
    with (folder / VERDICTS_FILE).open("ab") as file:
        file.write(msgspec.json.encode(verdict) + b"\n")


def read_verdicts(folder: Path) -> list[Verdict]:
    """Read the verdicts, the oldest first; a line that was cut while it was written is left out."""
    try:
        lines = (folder / VERDICTS_FILE).read_bytes().splitlines()
    except FileNotFoundError:
        return []
    found = []
    for line in lines:
        try:
            found.append(msgspec.json.decode(line, type=Verdict))
        except msgspec.MsgspecError:
            continue
    return found
