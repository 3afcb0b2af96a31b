"""What can go wrong while archiving; errors of the store are those of ``eventlog``.

ServerError
├── ArchiveFolderError           the folder cannot be written, is in use, or holds what this release cannot read
└── ArchiveReadError             the folder holds no archive, or files that cannot be read
"""

from __future__ import annotations

from presage_server.errors import ServerError

__all__ = ["ArchiveFolderError", "ArchiveReadError"]


class ArchiveFolderError(ServerError):
    """Expected: the archive's folder cannot be used; the operator should fix it or name another. What is archived is not harmed."""


class ArchiveReadError(ServerError):
    """Expected: the archive cannot be read; the operator should fix it or name another."""
