"""Files of other parts of Presage that contain visitors; each part lists its own, by an entry point.

The server knows nothing of the training side, whose audits keep a state of every visitor.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from importlib.metadata import entry_points
from pathlib import Path
from typing import Protocol

from presage_server.forgetting.errors import ForgetError

__all__ = ["Place", "forget_in_places"]

_GROUP = "presage.forget"


class Place(Protocol):
    """Finds a visitor in files, and erases it there."""

    def __call__(
        self, archives: Sequence[Path], files: Sequence[Path], user_id: str, *, erase: bool
    ) -> Iterator[tuple[Path, int]]:
        """Return each file that there is, and how many of its rows are, or were, the visitor's."""
        ...


def forget_in_places(
    archives: Sequence[Path], files: Sequence[Path], user_id: str, *, erase: bool
) -> Iterator[tuple[Path, int]]:
    """Find a visitor in the files of all parts that are installed, and erase it there.

    Raises:
        ForgetError: A file cannot be used.
    """
    for entry in entry_points(group=_GROUP):
        place: Place = entry.load()
        try:
            yield from place(archives, files, user_id, erase=erase)
        except Exception as error:
            # Which errors a part has is its own affair; all of them mean that the visitor may be left.
            raise ForgetError(str(error)) from error
