"""The follower as a process beside a server, which starts it again when it ends."""

from __future__ import annotations

import asyncio
import logging
import os
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
        process = await _start(url, settings)
        try:
            code = await process.wait()
        finally:
            await _end(process)
        delay = _FIRST_DELAY_SECONDS if monotonic() - started > _STEADY_SECONDS else min(2 * delay, _MAX_DELAY_SECONDS)
        _logger.error("the process that counts items ended with code %d and is started again in %g s", code, delay)
        await asyncio.sleep(delay)


async def _start(url: str, settings: Settings) -> asyncio.subprocess.Process:
    return await asyncio.create_subprocess_exec(
        *end_with_parent(),
        sys.executable,
        "-m",
        "presage_server.items",
        str(settings.item_bucket_seconds),
        settings.log_level,
        env={**os.environ, URL_VARIABLE: url},
        stdin=asyncio.subprocess.DEVNULL,
        # In its own session, Ctrl-C does not reach it: it ends with the server.
        start_new_session=True,
    )


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is not None:
        return
    with suppress(ProcessLookupError):
        process.terminate()
    try:
        async with asyncio.timeout(_END_SECONDS):
            await process.wait()
    except TimeoutError:
        with suppress(ProcessLookupError):
            process.kill()
        await process.wait()
