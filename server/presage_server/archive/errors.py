"""What can go wrong while archiving; errors of the store are those of ``eventlog``.

ServerError
├── ArchiveFolderError           the folder cannot be written, or holds what this release cannot read
│   └── ArchiveInUseError        another process writes it
└── ArchiveReadError             the folder holds no archive, or files that cannot be read
"""

from __future__ import annotations

from presage_server.errors import ServerError

__all__ = ["ArchiveFolderError", "ArchiveInUseError", "ArchiveReadError"]


class ArchiveFolderError(ServerError):
    """Expected: the archive's folder cannot be used; the operator should fix it or name another. What is archived is not harmed."""


class ArchiveInUseError(ArchiveFolderError):
    """Expected: another process writes the folder."""


class ArchiveReadError(ServerError):
    """Expected: the archive cannot be read; the operator should fix it or name another."""
