"""What is sent to the store, and who gets the replies."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

__all__ = ["OnReplies", "Request"]

_OVERHEAD_BYTES = 256

OnReplies = Callable[[list[Any] | None], None]
"""Gets the replies in order, errors as ReplyError; None if the store did not answer, so that the commands may have run or not."""


class Request(msgspec.Struct, eq=False):
    """Commands that are sent together."""

    payload: bytes
    """The commands, encoded."""
    replies: int
    """How many commands they are."""
    on_replies: OnReplies
    repeatable: bool
    """Whether the commands may run twice."""
    sent_at: float = 0.0

    @property
    def memory_bytes(self) -> int:
        return len(self.payload) + _OVERHEAD_BYTES
