"""The follower as a process beside a server, which starts it again when it ends."""

from __future__ import annotations

import asyncio
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from presage_server.child_process import CHECK_INTERVAL_SECONDS, end_process, kept_running
from presage_server.settings import Settings
from presage_server.store.embedded import end_with_parent

__all__ = ["URL_VARIABLE", "follower_process"]

URL_VARIABLE = "PRESAGE_REDIS_URL"
"""It may hold a password, which a command line would show."""

_END_SECONDS = 10.0
"""How long a follower may take to end after SIGTERM."""


@asynccontextmanager
async def follower_process(url: str, settings: Settings) -> AsyncIterator[None]:
    """Run a follower for as long as the context lasts, if the settings say so. One that ends is started again, later each time.

    Args:
        url: The store's.
        settings: Of the server.
    """
    if not settings.follow_items:
        yield
        return
    async with kept_running(lambda: _run(url, settings), what="the process that counts items"):
        yield


async def _run(url: str, settings: Settings) -> int:
    """Run a follower until it ends; returns its exit code, or the number of the signal that ended it, negative."""
    process = _start(url, settings)
    try:
        while process.poll() is None:  # noqa: ASYNC110 - there is no event for the end of a process
            await asyncio.sleep(CHECK_INTERVAL_SECONDS)
    finally:
        if process.poll() is None:
            process.terminate()
        await end_process(process, _END_SECONDS)
    return process.returncode


def _start(url: str, settings: Settings) -> subprocess.Popen[bytes]:
    log = (settings.log_level, settings.log_format)
    arguments = ["-m", "presage_server.items", str(settings.item_bucket_seconds), *log]
    # Not by the event loop: uvloop's fork runs gRPC's handlers, which may fail while its threads work.
    return subprocess.Popen(  # noqa: S603 - this interpreter with arguments from here
        [*end_with_parent(), sys.executable, *arguments],
        env={**os.environ, URL_VARIABLE: url},
        stdin=subprocess.DEVNULL,
        # In its own session, Ctrl-C does not reach it: it ends with the server.
        start_new_session=True,
    )
