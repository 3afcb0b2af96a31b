"""What can go wrong while reading the event streams.

ServerError
└── EventLogError                the event streams cannot be read; the text is for the operator
    ├── EventLogStoreError       the store cannot be reached, or refuses a command that reading needs
    └── StreamsGoneError         streams vanished while they were read; the consumer group has to be prepared again
"""

from __future__ import annotations

from presage_server.errors import ServerError

__all__ = ["EventLogError", "EventLogStoreError", "StreamsGoneError"]


class EventLogError(ServerError):
    """Expected: the event streams cannot be read."""


class EventLogStoreError(EventLogError):
    """Expected: the store cannot be used; the operator should fix it or name another."""


class StreamsGoneError(EventLogError):
    """Unexpected: streams or their consumer group vanished: the store was emptied, or restarted without its data."""
