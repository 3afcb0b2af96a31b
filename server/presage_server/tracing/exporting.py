"""The serving process's part in tracing: it hands traced calls that have ended to the process that makes spans of them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import PackageNotFoundError, version
from random import Random

from prometheus_client import CollectorRegistry

from presage_server.errors import SettingsError
from presage_server.settings import Settings
from presage_server.tracing.tracer import Tracer
from presage_server.workers.helper import frame, helper_process

__all__ = ["missing_libraries", "tracing"]

_logger = logging.getLogger(__name__)

_EVERY_SECONDS = 0.25
_LIBRARIES = ("opentelemetry-sdk", "opentelemetry-exporter-otlp-proto-grpc")


def missing_libraries() -> list[str]:
    """List the libraries of the extra ``tracing`` that are not installed."""
    missing = []
    for name in _LIBRARIES:
        try:
            version(name)
        except PackageNotFoundError:
            missing.append(name)
    return missing


@asynccontextmanager
async def tracing(settings: Settings, registry: CollectorRegistry) -> AsyncIterator[list[Tracer]]:
    """Have traced calls turned into spans by another process for as long as the context lasts.

    Args:
        settings: Say whether and how.
        registry: Where traced calls are counted.

    Yields:
        What chooses the traced calls, as an interceptor; nothing if no calls are traced.

    Raises:
        SettingsError: What tracing needs is not installed.
    """
    if not settings.trace_endpoint:
        if settings.trace_share:
            _logger.warning("trace_share has no effect without trace_endpoint")
        yield []
        return
    if missing := missing_libraries():
        raise SettingsError(
            f"trace_endpoint: tracing needs {', '.join(missing)}: pip install 'presage-scoring[tracing]'"
        )
    tracer = Tracer(settings.trace_share, Random())  # noqa: S311 - samples, and ids that nobody has to guess
    registry.register(tracer.counts)

    async def serve(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while True:
                await asyncio.sleep(_EVERY_SECONDS)
                _hand_on(tracer, writer)
                await (
                    writer.drain()
                )  # a process that hangs is not sent any more; the queue fills, and calls are dropped
        finally:
            _hand_on(tracer, writer)

    _logger.info("traces: sent to %s", settings.trace_endpoint)
    async with helper_process(
        "presage_server.tracing.span_process",
        [settings.trace_endpoint, settings.log_level, settings.log_format],
        serve,
        what="the process that sends traces",
    ):
        yield [tracer]


def _hand_on(tracer: Tracer, writer: asyncio.StreamWriter) -> None:
    if ended := tracer.take():
        writer.write(frame((time.time() - time.monotonic(), ended)))
