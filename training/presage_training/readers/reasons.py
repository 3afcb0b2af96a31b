"""Limits the number of reasons for which rows are skipped."""

from __future__ import annotations

from collections import defaultdict

__all__ = ["LimitedReasons"]

_MAX_DETAILS = 12


class LimitedReasons:
    """Reasons with details: each kind has one for each of its first details, and one for all others."""

    def __init__(self, *, most: int = _MAX_DETAILS) -> None:
        self._most = most
        self._known: defaultdict[str, set[str]] = defaultdict(set)

    def of(self, kind: str, detail: str) -> str:
        """Return the reason for a kind of fault with a detail, such as the value."""
        known = self._known[kind]
        if detail not in known:
            if len(known) >= self._most:
                return f"{kind}: other values"
            known.add(detail)
        return f"{kind}: {detail}"
