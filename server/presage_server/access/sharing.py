"""What a supervisor shares with its workers: the tokens in use, and the rates, which are kept in memory that all of them map."""

from __future__ import annotations

import mmap
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import msgspec

from presage_server.access.limits import SLOTS
from presage_server.access.opening import Access, SharedAccess
from presage_server.access.tokens import Token

__all__ = ["WorkersAccess", "access_from_json", "workers_access"]

_BYTES = SLOTS * 8


class WorkersAccess:
    """The supervisor's side; ``workers_access`` makes it."""

    def __init__(self, access: Access, descriptor: int) -> None:
        self._access = access
        self.descriptor = descriptor
        """Of the memory, for worker processes to inherit."""

    def to_json(self) -> dict[str, Any]:
        """Return what a worker that starts now is sent."""
        return {"tokens": msgspec.to_builtins(self._access.tokens), "slots": self.descriptor}


@contextmanager
def workers_access(access: Access | None) -> Iterator[WorkersAccess | None]:
    """Make the memory that workers share; None without tokens. Its pages take room once they are written."""
    if access is None:
        yield None
        return
    descriptor = _new_memory()
    try:
        os.ftruncate(descriptor, _BYTES)
        yield WorkersAccess(access, descriptor)
    finally:
        os.close(descriptor)


def _new_memory() -> int:
    if hasattr(os, "memfd_create"):
        return os.memfd_create("presage-rates", os.MFD_CLOEXEC)
    with tempfile.TemporaryFile() as unnamed:  # a file on disk, where memory has no descriptors, as on macOS
        return os.dup(unnamed.fileno())


def access_from_json(message: dict[str, Any] | None) -> SharedAccess | None:
    """Return what ``to_json`` has sent to this worker; None without tokens."""
    if message is None:
        return None
    descriptor = int(message["slots"])
    slots = memoryview(mmap.mmap(descriptor, _BYTES)).cast("d")
    os.close(descriptor)  # the mapping stays
    return SharedAccess(tokens=msgspec.convert(message["tokens"], list[Token]), slots=slots)
