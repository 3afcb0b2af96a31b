"""Versions that could not be read for now, which says nothing of what is in them."""

from __future__ import annotations

from presage_export.errors import SigningKeyError

__all__ = ["ReadFailure", "is_of_the_moment"]


class ReadFailure(str):
    """Why a version could not be verified, where the next try may find it sound with the same files."""

    __slots__ = ()


def is_of_the_moment(error: BaseException) -> bool:
    """Return whether the disk or this process is to blame for an error, and no bundle: as when too many files are open."""
    cause: BaseException | None = error
    while cause is not None:
        if isinstance(cause, SigningKeyError):  # the keys' file, which may be being replaced
            return True
        if isinstance(cause, OSError | ImportError):
            return not isinstance(cause, FileNotFoundError | NotADirectoryError)
        cause = cause.__cause__
    return False
