"""All that shows what a server does, for as long as it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from presage_server.settings import Settings
from presage_server.telemetry.clock_jumps import ClockWatch
from presage_server.telemetry.exporting import exported_metrics
from presage_server.telemetry.metrics import Metrics
from presage_server.tracing.exporting import tracing
from presage_server.tracing.tracer import Tracer
from presage_server.transport.addresses import http_host

__all__ = ["observed"]


@asynccontextmanager
async def observed(settings: Settings, metrics: Metrics) -> AsyncIterator[list[Tracer]]:
    """Have metrics served and traces sent by other processes, where the settings ask for it, and the clock watched.

    All of it for as long as the context lasts.

    Yields:
        What looks at each call's metadata to that end.

    Raises:
        SettingsError: It cannot listen where metrics are to be served, or a library that tracing needs is missing.
    """
    async with (
        exported_metrics(metrics, http_host(settings.host), settings.metrics_port),
        tracing(settings, metrics.registry) as tracers,
    ):
        watching = asyncio.create_task(ClockWatch(metrics.clock_jumps).run())
        try:
            yield tracers
        finally:
            watching.cancel()
