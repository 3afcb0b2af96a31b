"""One worker: a process that serves as ``presage serve`` does, on a port that it shares, until its supervisor is gone."""

from __future__ import annotations

import asyncio
import logging
import signal
import socket
import sys

import msgspec
import uvloop

from presage_server.access.sharing import access_from_json
from presage_server.errors import StartupError
from presage_server.log_ids import use_log_id_key
from presage_server.logs import start_logging
from presage_server.models.plan import Plan
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.samples import read_metrics
from presage_server.workers.changes import WorkerChanges
from presage_server.workers.channel import Channel, custom_from_json, settings_from_json
from presage_server.workers.serving import serve_until
from presage_server.workers.shutdown import ShutdownSignal

__all__ = ["main", "work"]

_logger = logging.getLogger(__name__)


def main() -> None:
    """Run a worker process; the command line has the descriptor of its socket."""
    uvloop.run(work(socket.socket(fileno=int(sys.argv[1]))))


async def work(end: socket.socket) -> None:
    """Serve until the supervisor sends a stop command or has gone.

    Args:
        end: The worker's end of the channel.
    """
    channel = await Channel.open(end)
    order = await channel.read()
    if not order:
        return
    settings = settings_from_json(order["settings"])
    start_logging(settings.log_level, settings.log_format, worker=order["worker"])
    use_log_id_key(settings.log_id_key)
    stop, metrics = ShutdownSignal(), Metrics()
    plan = order["plan"]
    changes = WorkerChanges(channel.send, None if plan is None else msgspec.convert(plan, Plan))
    for number in (signal.SIGTERM, signal.SIGINT):
        # Drain, however often: a service manager signals each process of a group, and so does our supervisor after it.
        asyncio.get_running_loop().add_signal_handler(number, stop.drain)
    obeying = asyncio.create_task(_obey(channel, stop, metrics, changes))
    try:
        await serve_until(
            stop,
            settings,
            lambda address: channel.send(ready=address),
            metrics,
            share_port=True,
            custom=custom_from_json(order["project"]),
            reloads=changes,
            shared_access=access_from_json(order["access"]),
        )
    except StartupError as error:
        channel.send(failed=str(error))
    finally:
        obeying.cancel()
        await channel.close()


async def _obey(channel: Channel, stop: ShutdownSignal, metrics: Metrics, changes: WorkerChanges) -> None:
    while message := await channel.read():
        match message["command"]:
            case "drain":
                stop.drain()
            case "end":
                stop.cancel_now()
            case "ping":
                channel.send(alive=True)
            case "metrics":
                channel.send(metrics=read_metrics(metrics.registry), unready=metrics.unready())
            case "prepare" | "commit" | "abandon":
                changes.obey(message)
    _logger.warning("the supervisor is gone")
    stop.drain()
