"""Makes the embedded store's files readable only by its user, since they contain what visitors did."""

from __future__ import annotations

import logging
from pathlib import Path

__all__ = ["ADDRESS_FILE", "UMASK", "make_private", "write_private"]

_logger = logging.getLogger(__name__)

ADDRESS_FILE = "address"
"""Holds the store's URL while it runs, so that `presage forget` finds it."""
UMASK = 0o077
"""Of the store's process: it makes files of mode 0600 and folders of mode 0700."""

_OTHERS = 0o077
_MADE_BY_US = ("lock", "valkey.log", "appendonlydir", "appendonlydir/*", "*.rdb")


def make_private(data_dir: Path) -> None:
    """Take a data folder, and what an older release has made in it, from everybody else.

    A folder of another owner, as some volumes of containers are, stays as it is, with a warning if others can read it.
    """
    for path in (data_dir, *(found for pattern in _MADE_BY_US for found in data_dir.glob(pattern))):
        mode = path.stat().st_mode & 0o777
        if not mode & _OTHERS:
            continue
        try:
            path.chmod(mode & ~_OTHERS)
        except PermissionError:
            _logger.warning(
                "%s belongs to another user, and others can read what visitors did: it has mode %o", path, mode
            )


def write_private(path: Path, text: str) -> None:
    """Write a text file that only its owner can read, from the first byte on."""
    path.unlink(missing_ok=True)
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
