"""What can go wrong while archiving.

ServerError
└── ArchiveError                 the archive cannot go on; its text is for the operator
    ├── ArchiveFolderError       the folder cannot be written, is in use, or holds what this release cannot read
    ├── ArchiveStoreError        the store cannot be reached, or refuses what archiving needs
    └── StreamsGoneError         streams vanished while they were followed; they have to be prepared again
"""

from __future__ import annotations

from presage_server.errors import ServerError

__all__ = ["ArchiveError", "ArchiveFolderError", "ArchiveStoreError", "StreamsGoneError"]


class ArchiveError(ServerError):
    """Expected: archiving cannot go on; nothing that was archived is harmed, and starting it again goes on where it ended."""


class ArchiveFolderError(ArchiveError):
    """Expected: the archive's folder cannot be used; the operator should mend it or name another."""


class StreamsGoneError(ArchiveError):
    """Unexpected: streams, or the group that follows them, vanished: the store was emptied, or restarted without its data."""


class ArchiveStoreError(ArchiveError):
    """Expected: the store cannot be used; the operator should mend it or name another."""
