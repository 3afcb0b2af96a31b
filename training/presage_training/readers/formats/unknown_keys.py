"""Reports unknown keys in Presage's own log, most of which are misspelt."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from difflib import get_close_matches

from presage_training.quoting import printable
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["UnknownKeys"]

_MAX_KEYS = 10
_MIN_SIMILARITY = 0.7
_MAX_SHOWN_CHARACTERS = 40


class UnknownKeys:
    """Counts unknown keys; each of the first few is a reason of its own, with its first line and a suggestion."""

    def __init__(self, skipped: SkippedRows, *, known: Collection[str], synonyms: Mapping[str, str]) -> None:
        """Create a counter for one log.

        Args:
            skipped: Counts the keys.
            known: The valid keys.
            synonyms: Invalid keys that are likely to be used, and the valid ones that they stand for.
        """
        self._skipped = skipped
        self._meant = {name: name for name in known} | dict(synonyms)
        self._reasons: dict[str, str] = {}

    def add(self, key: str, *, where: str, line: str) -> None:
        """Count a key.

        Args:
            key: The key; of a nested object, with the outer key and a dot before it.
            where: The position in the log.
            line: The line, as an example.
        """
        reason = self._reasons.get(key)
        if reason is None:
            if len(self._reasons) < _MAX_KEYS:
                reason = self._reasons[key] = self._reason(key, where)
            else:
                reason = "more unknown keys, ignored"
        self._skipped.add(reason, where=where, what=line)

    def _reason(self, key: str, where: str) -> str:
        reason = f"unknown key {printable(key, most=_MAX_SHOWN_CHARACTERS)!r}, ignored, first on {where}"
        near = get_close_matches(key[:_MAX_SHOWN_CHARACTERS], self._meant, n=1, cutoff=_MIN_SIMILARITY)
        return f"{reason}; is {self._meant[near[0]]!r} meant?" if near else reason
