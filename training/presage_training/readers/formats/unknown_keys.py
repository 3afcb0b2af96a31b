"""Tells of keys that mean nothing in our own log, most of which were meant to be others."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from presage_training.quoting import printable
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["UnknownKeys"]

_MOST_KEYS = 10
_LIKENESS = 0.7
_SHOWN_CHARACTERS = 40


class UnknownKeys:
    """Counts unknown keys, the first few each as a reason of its own, which says where it was met first and what may be meant."""

    def __init__(self, skipped: SkippedRows, *, known: Collection[str], synonyms: Mapping[str, str]) -> None:
        """Make one for one log.

        Args:
            skipped: Is told of them.
            known: The keys that there are.
            synonyms: Keys that there are not, but that one may expect, and those that they should be.
        """
        self._skipped = skipped
        self._meant = {name: name for name in known} | dict(synonyms)
        self._reasons: dict[str, str] = {}

    def add(self, key: str, *, where: str, line: str) -> None:
        """Count a key.

        Args:
            key: The key; of an object in an object, after that one's and a dot.
            where: Where it stands.
            line: The line, as an example.
        """
        reason = self._reasons.get(key)
        if reason is None:
            if len(self._reasons) < _MOST_KEYS:
                reason = self._reasons[key] = self._reason(key, where)
            else:
                reason = "more unknown keys, passed over"
        self._skipped.add(reason, where=where, what=line)

    def _reason(self, key: str, where: str) -> str:
        reason = f"unknown key {printable(key, most=_SHOWN_CHARACTERS)!r}, passed over, first on {where}"
        near = get_close_matches(key[:_SHOWN_CHARACTERS], self._meant, n=1, cutoff=_LIKENESS)
        return f"{reason}; is {self._meant[near[0]]!r} meant?" if near else reason
