"""A process that serves until it is asked to stop, with the interpreter to itself."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable

from presage_featurizer.custom import CustomFeatures
from presage_server.access.opening import SharedAccess
from presage_server.app import running
from presage_server.models.applying import Reloads
from presage_server.settings import Settings
from presage_server.telemetry.interpreter import exported_pauses, tune_interpreter
from presage_server.telemetry.metrics import Metrics
from presage_server.workers.self_check import watched_loop
from presage_server.workers.shutdown import ShutdownSignal

__all__ = ["serve", "serve_until"]

_logger = logging.getLogger(__name__)


async def serve(settings: Settings, announce: Callable[[str], None]) -> None:
    """Serve until SIGTERM or SIGINT, then drain.

    Args:
        settings: How to serve.
        announce: Called with HOST:PORT once calls are answered.

    Raises:
        StartupError: The server cannot start; the message says why.
    """
    stop = ShutdownSignal()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.request)
    await serve_until(stop, settings, announce, Metrics())


async def serve_until(
    stop: ShutdownSignal,
    settings: Settings,
    announce: Callable[[str], None],
    metrics: Metrics,
    *,
    share_port: bool = False,
    custom: CustomFeatures | None = None,
    reloads: Reloads | None = None,
    shared_access: SharedAccess | None = None,
) -> None:
    """Serve until shutdown is requested, then drain.

    Args:
        stop: What tells; made by this task.
        settings: How to serve.
        announce: Called with HOST:PORT once calls are answered.
        metrics: What the server counts in; it gets the interpreter's pauses too.
        share_port: Whether other processes listen on the same port.
        custom: The features of the project, if they were read before; else its folder is read.
        reloads: Loads the models and changes them; follows their folder unless given.
        shared_access: The tokens and rates that the process shares with others.

    Raises:
        StartupError: The server cannot start; the message says why.
    """
    try:
        server = running(
            settings,
            metrics,
            warmed_up=tune_interpreter,
            share_port=share_port,
            custom=custom,
            reloads=reloads,
            shared_access=shared_access,
        )
        async with server as address:
            with watched_loop(), exported_pauses(metrics.registry):
                announce(address)
                await stop.wait()
            _logger.info(
                "draining: answering as before for %g s, then calls in flight have %g s",
                settings.drain_delay_seconds,
                settings.drain_seconds,
            )
    except asyncio.CancelledError:
        _logger.info("stopped at once")
