"""What is known of the versions in a folder, and when what could not be read is read again."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from time import monotonic
from typing import NamedTuple

from presage_server.models.plan import VerifiedVersion
from presage_server.models.unread import ReadFailure
from presage_server.models.verifying import Verifier
from presage_server.models.watching import Files, FoundVersion, Key

__all__ = ["Backoff", "KnownVersions"]

_FIRST_SECONDS = 5.0
_MAX_SECONDS = 300.0
_PAUSE_RATIO = 10.0
"""How much longer the pause is than what failed had taken, at least: nothing else is followed meanwhile."""


class Backoff:
    """When something that has failed is tried again: soon at first, then less and less often."""

    def __init__(self) -> None:
        self._seconds = 0.0
        self._until = 0.0

    @property
    def is_over(self) -> bool:
        """Whether it is time to try again."""
        return monotonic() >= self._until

    def extend(self, took_seconds: float = 0.0) -> float:
        """Note a failure that took so long; return in how many seconds to try again."""
        self._seconds = min(2 * self._seconds, _MAX_SECONDS) or _FIRST_SECONDS
        seconds = max(self._seconds, _PAUSE_RATIO * took_seconds)
        self._until = monotonic() + seconds
        return seconds


class _Known(NamedTuple):
    """What was found out, and from which files."""

    files: Files
    result: VerifiedVersion | str
    """Or why it cannot be served."""
    backoff: Backoff | None
    """Where it could not be read; None for what stays so until its files change."""


class KnownVersions:
    """What is known of versions, each as long as its files are what they were. For one thread.

    Args:
        verifier: Verifies versions.
    """

    def __init__(self, verifier: Verifier) -> None:
        self._verifier = verifier
        self._known: dict[Key, _Known] = {}

    def get(self, key: Key, files: Files) -> VerifiedVersion | str | None:
        """Return what is known of a version with these files, or why it cannot be served; None if it is to be verified."""
        known = self._known.get(key)
        if known is None or known.files != files or (known.backoff is not None and known.backoff.is_over):
            return None
        return known.result

    def set(self, key: Key, files: Files, result: VerifiedVersion | str) -> None:
        """Note what is known of a version."""
        self._known[key] = _Known(files, result, None)

    def verify(self, keys: list[Key], found: Mapping[Key, FoundVersion]) -> None:
        """Verify versions, and note what came of it."""
        files, began = {key: found[key].files for key in keys}, monotonic()
        for key, result in self._verifier.verify(keys).items():
            if isinstance(result, ReadFailure):
                before = self._known.get(key)
                backoff = (before.backoff if before is not None else None) or Backoff()
                backoff.extend(monotonic() - began)
                self._known[key] = _Known(files[key], str(result), backoff)
            else:
                self.set(key, files[key], result)

    def keep(self, keys: Iterable[Key]) -> None:
        """Forget all versions but these."""
        for key in self._known.keys() - set(keys):
            del self._known[key]

    def is_broken(self, key: Key) -> bool:
        """Return whether it is known that a version cannot be served."""
        known = self._known.get(key)
        return known is not None and isinstance(known.result, str)

    def is_unread(self, key: Key) -> bool:
        """Return whether a version could not be read, and is to be read again."""
        known = self._known.get(key)
        return known is not None and known.backoff is not None

    def problems(self) -> Iterator[tuple[Key, str]]:
        """Go through the versions that cannot be served, and why."""
        for key, known in self._known.items():
            if isinstance(known.result, str):
                yield key, known.result
