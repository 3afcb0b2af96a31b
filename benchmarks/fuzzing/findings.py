"""What fuzzers find: each kind a few times, with what it takes to see it again."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from pathlib import Path

__all__ = ["Findings"]

_KEPT_OF_A_KIND = 5


@dataclass
class Findings:
    """What is not as it has to be.

    Args:
        folder: Where the inputs are written; nowhere if None.
    """

    folder: Path | None = None
    kinds: Counter[str] = field(default_factory=Counter)
    """How often each was found."""
    examples: list[str] = field(default_factory=list)
    """The first ones of each kind, in words."""

    def add(self, kind: str, what: str, data: bytes | None = None) -> None:
        """Note one.

        Args:
            kind: What is wrong, in a few words that are the same for all of its kind.
            what: Which input it was, and what came of it.
            data: The input.
        """
        self.kinds[kind] += 1
        if self.kinds[kind] > _KEPT_OF_A_KIND:
            return
        self.examples.append(f"{kind}: {what}")
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            name = f"finding-{len(self.examples)}"
            (self.folder / f"{name}.json").write_text(json.dumps({"kind": kind, "what": what}) + "\n")
            if data is not None:
                (self.folder / f"{name}.bin").write_bytes(data)

    def __bool__(self) -> bool:
        return bool(self.kinds)
