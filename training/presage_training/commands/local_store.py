"""What commands that run a server with an embedded store of their own know of the store."""

from __future__ import annotations

import fcntl
import time
from contextlib import suppress
from pathlib import Path

__all__ = ["wait_for_store"]

_STORE_SECONDS = 10.0


def wait_for_store(data_dir: Path) -> None:
    """Wait until a data folder is unlocked: a store ends by itself shortly after its server."""
    deadline = time.monotonic() + _STORE_SECONDS
    with suppress(FileNotFoundError), (data_dir / "lock").open() as lock:
        while time.monotonic() < deadline:
            with suppress(BlockingIOError):
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
                return
            time.sleep(0.01)
