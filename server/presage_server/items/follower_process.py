"""The follower as a process beside a server, which starts it again when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
import subprocess
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from time import monotonic

from presage_server.settings import Settings
from presage_server.store.embedded import end_with_parent

__all__ = ["URL_VARIABLE", "follower_process"]

_logger = logging.getLogger(__name__)

URL_VARIABLE = "PRESAGE_REDIS_URL"
"""It may hold a password, which a command line would show."""

_FIRST_DELAY_SECONDS = 0.5
_MAX_DELAY_SECONDS = 60.0
_STEADY_SECONDS = 60.0
_END_SECONDS = 10.0
_CHECK_INTERVAL_SECONDS = 0.5


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
    keeper = asyncio.create_task(_keep(url, settings))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _keep(url: str, settings: Settings) -> None:
    delay = _FIRST_DELAY_SECONDS
    while True:
        started = monotonic()
        process = _start(url, settings)
        try:
            while process.poll() is None:  # noqa: ASYNC110 - there is no event for the end of a process
                await asyncio.sleep(_CHECK_INTERVAL_SECONDS)
        finally:
            await _end(process)
        delay = _FIRST_DELAY_SECONDS if monotonic() - started > _STEADY_SECONDS else min(2 * delay, _MAX_DELAY_SECONDS)
        _logger.error(
            "the process that counts items ended with code %d and is started again in %g s", process.returncode, delay
        )
        await asyncio.sleep(delay)


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


async def _end(process: subprocess.Popen[bytes]) -> None:
    """Stop a follower; kill it if that takes too long."""
    if process.poll() is None:
        process.terminate()
    try:
        await asyncio.to_thread(process.wait, _END_SECONDS)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
