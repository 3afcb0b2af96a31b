"""Processes beside a server: started again when they end, and ended with the server."""

from __future__ import annotations

import asyncio
import logging
import subprocess
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from time import monotonic

__all__ = ["CHECK_INTERVAL_SECONDS", "end_process", "kept_running"]

_logger = logging.getLogger(__name__)

CHECK_INTERVAL_SECONDS = 0.5
"""How often to look whether a process has ended."""
_FIRST_DELAY_SECONDS = 0.5
_MAX_DELAY_SECONDS = 60.0
_STEADY_SECONDS = 60.0


@asynccontextmanager
async def kept_running(run: Callable[[], Awaitable[int]], *, what: str) -> AsyncIterator[None]:
    """Run a process for as long as the context lasts. One that ends is started again, later each time.

    Args:
        run: Starts it and returns its exit code when it has ended; ends it when it is cancelled.
        what: A name for the log: "the process that …".
    """
    keeper = asyncio.create_task(_keep(run, what))
    try:
        yield
    finally:
        keeper.cancel()
        with suppress(asyncio.CancelledError):
            await keeper


async def _keep(run: Callable[[], Awaitable[int]], what: str) -> None:
    delay = _FIRST_DELAY_SECONDS
    while True:
        started = monotonic()
        try:
            code = await run()
        except OSError as error:  # out of processes or descriptors, for now
            code, reason = None, str(error)
        delay = _FIRST_DELAY_SECONDS if monotonic() - started > _STEADY_SECONDS else min(2 * delay, _MAX_DELAY_SECONDS)
        if code is None:
            _logger.error("%s could not be started, and is tried again in %g s: %s", what, delay, reason)
        else:
            _logger.error("%s ended with code %d and is started again in %g s", what, code, delay)
        await asyncio.sleep(delay)


async def end_process(process: subprocess.Popen[bytes], seconds: float) -> None:
    """Wait for a process to end by itself; kill it if that takes longer than ``seconds``."""
    try:
        await asyncio.to_thread(process.wait, seconds)
    except subprocess.TimeoutExpired:
        pass
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()
