"""What becomes of clients in a process that was forked.

gRPC's threads do not exist in the child of a fork, and whatever uses gRPC there hangs, deadlines included. So a child in whose
parent a client was connected may connect only if gRPC was set up for forks; otherwise an error says what to change. A
client that was not used before the fork is like new in the child.
"""

from __future__ import annotations

import os
from typing import Any, Final, Protocol
from weakref import WeakSet

from grpc import aio

__all__ = ["Forked", "abandon", "check_fork", "connected", "watch_forks"]

_PREPARED: Final = os.environ.get("GRPC_ENABLE_FORK_SUPPORT", "").lower() in {"1", "true", "yes"}
"""Whether gRPC stops its threads before a fork and starts them again behind it; it reads the variable once, too."""


class Forked(Protocol):
    """Holds what does not outlive a fork."""

    def after_fork(self) -> None:
        """Start over in the child; nothing of the parent's may be used, or closed."""
        ...


_watched: WeakSet[Forked] = WeakSet()
_channels: WeakSet[Any] = WeakSet()
_abandoned: list[Any] = []
"""Kept for good in a child: to free a channel there is to use it."""
_parent: int | None = None
"""The process whose clients were connected at the fork; None: none was, or gRPC was prepared."""


def watch_forks(holder: Forked) -> None:
    """Have a holder start over in each child of a fork."""
    _watched.add(holder)


def connected(channel: Any) -> None:
    """Note that a channel was made."""
    _channels.add(channel)


def abandon(thing: Any) -> None:
    """Keep what belongs to the parent, so that it is never used or freed."""
    _abandoned.append(thing)


def check_fork() -> None:
    """Check that gRPC can be used in this process.

    Raises:
        RuntimeError: It cannot: a call would hang forever.
    """
    if _parent is not None:
        raise RuntimeError(
            f"gRPC cannot be used in this process: it was forked from process {_parent}, in which a client was connected. Make "
            "calls in the workers of a pre-forking server only, close clients before the fork, or start the server with "
            "GRPC_ENABLE_FORK_SUPPORT=1 and fork while no call is in flight (blocking clients only)"
        )


def _after_fork_in_child() -> None:
    global _parent  # noqa: PLW0603 - it is a property of the process
    channels = list(_channels)
    _abandoned.extend(channels)
    _channels.clear()
    if channels and not (_PREPARED and not any(isinstance(channel, aio.Channel) for channel in channels)):
        _parent = os.getppid()
    for holder in list(_watched):
        holder.after_fork()


if hasattr(os, "register_at_fork"):  # not on Windows, which has no fork
    os.register_at_fork(after_in_child=_after_fork_in_child)
