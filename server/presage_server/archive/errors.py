"""What can go wrong while archiving; errors of the store are those of ``eventlog``.

ServerError
└── ArchiveFolderError           the folder cannot be written, is in use, or holds what this release cannot read
"""

from __future__ import annotations

from presage_server.errors import ServerError

__all__ = ["ArchiveFolderError"]


class ArchiveFolderError(ServerError):
    """Expected: the archive's folder cannot be used; the operator should fix it or name another. What is archived is not harmed."""
