"""The serving process's part in exporting its metrics: it answers the process that serves them over HTTP."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator
from contextlib import ExitStack, asynccontextmanager

from presage_server.telemetry.exposition import listen, shown_address
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.samples import read_metrics
from presage_server.workers.helper import frame, helper_process

__all__ = ["exported_metrics"]

_logger = logging.getLogger(__name__)


@asynccontextmanager
async def exported_metrics(metrics: Metrics, host: str, port: int) -> AsyncIterator[int]:
    """Have metrics and readiness served over HTTP by another process for as long as the context lasts.

    This process is asked for its counts twenty times at once, then twice a second, however many scrape: half a millisecond each.

    Args:
        metrics: What is counted, whether calls should be sent here, and who may know.
        host: The address to listen on.
        port: The port to listen on; 0 picks a free one, negative: nothing is served.

    Yields:
        The port, or a negative number.

    Raises:
        SettingsError: It cannot listen there.
    """
    if port < 0:
        yield port
        return

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while await reader.read(1):
            writer.write(frame((read_metrics(metrics.registry), metrics.unready(), metrics.readers())))
            await writer.drain()

    with ExitStack() as stack:
        # Here, so that a process that is started again finds the scrapers that have been waiting for it.
        sockets = [stack.enter_context(one) for one in listen(host, port)]
        descriptors = [one.fileno() for one in sockets]
        _logger.info("metrics: %s", shown_address(host, sockets))
        async with helper_process(
            "presage_server.telemetry.exporter",
            [str(os.getpid()), *map(str, descriptors)],
            serve,
            what="the process that serves metrics",
            pass_fds=descriptors,
        ):
            yield int(sockets[0].getsockname()[1])
