"""``presage serve --workers N``: a small process that keeps N workers running and serves their metrics."""

from __future__ import annotations

import asyncio
import logging
import signal
from collections.abc import Callable
from contextlib import AsyncExitStack, suppress
from dataclasses import replace
from functools import partial
from time import monotonic

from prometheus_client import CollectorRegistry, Counter, Gauge, generate_latest

from presage_featurizer.custom import CustomFeatures
from presage_server.access.gate import Gate, readers_of
from presage_server.access.opening import open_access
from presage_server.access.sharing import WorkersAccess, workers_access
from presage_server.errors import StartupError
from presage_server.items.follower_process import follower_process
from presage_server.models.defaults import pin_defaults
from presage_server.models.plan import Plan
from presage_server.models.project import read_project
from presage_server.settings import Settings
from presage_server.store.embedded import embedded_store
from presage_server.telemetry.exposition import Exposed, listen, serve_http, shown_address
from presage_server.workers.all_or_none import AllOrNone
from presage_server.workers.following import ModelFollower
from presage_server.workers.merging import MergedMetrics
from presage_server.workers.port import reserved_port
from presage_server.workers.process import WorkerFailedError, WorkerProcess
from presage_server.workers.shutdown import ShutdownSignal

__all__ = ["Workers", "supervise"]

_logger = logging.getLogger(__name__)

_TRIES = 5
"""The server ends when a worker fails to start this many times in a row while no other worker serves."""
_FIRST_DELAY_SECONDS = 0.05
_MAX_DELAY_SECONDS = 5.0
_STEADY_SECONDS = 10.0
"""A worker that served for this long is restarted as if it had never failed."""
_PATIENCE_SECONDS = 10.0
"""How long a worker may take to end after the time for draining."""


async def supervise(settings: Settings, announce: Callable[[str], None]) -> None:
    """Keep ``settings.workers`` processes serving until SIGTERM or SIGINT, then have them drain.

    Args:
        settings: How to serve.
        announce: Called with HOST:PORT once all of them answer calls.

    Raises:
        StartupError: The server cannot start, or go on; the message says why, in the worker's own words if it had any.
    """
    # Read once: a worker that is started again serves what the others do, whatever the folder holds by then.
    custom = read_project(settings.project)
    stop = ShutdownSignal()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stop.request)
    try:
        async with AsyncExitStack() as stack:
            port = stack.enter_context(reserved_port(settings.host, settings.port))
            url = settings.redis_url
            if not url:
                url = await stack.enter_async_context(embedded_store(settings.data_dir, fsync=settings.store_fsync))
                _logger.info("store: embedded at %s, data in %s", url, settings.data_dir)
            of_each = replace(settings, port=port, redis_url=url, workers=1, metrics_port=-1, follow_items=False)
            await stack.enter_async_context(follower_process(url, settings))
            registry = CollectorRegistry()
            access = stack.enter_context(open_access(settings, CollectorRegistry()))  # its workers count
            for_workers = stack.enter_context(workers_access(access))
            follower = ModelFollower(settings, custom, registry)
            stack.push_async_callback(follower.close)
            plan = await follower.choose()
            if plan is not None:
                of_each = pin_defaults(of_each, plan)
            workers = Workers(of_each, settings.workers, registry, custom, plan, access=for_workers)
            if settings.metrics_port >= 0:
                sockets = listen(settings.host, settings.metrics_port)
                _logger.info("metrics: %s", shown_address(settings.host, sockets))
                gate = None if access is None else access.gate
                for http in await serve_http(partial(workers.expose, gate), sockets):
                    stack.callback(http.close)
            await _run(workers, follower, settings, stop, announce)
    except asyncio.CancelledError:
        _logger.info("stopped at once")


async def _run(
    workers: Workers,
    follower: ModelFollower,
    settings: Settings,
    stop: ShutdownSignal,
    announce: Callable[[str], None],
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            keepers = [group.create_task(workers.keep(number)) for number in range(settings.workers)]
            address = await workers.all_ready()
            follower.follow(workers.models.change, workers.settings)
            announce(address)
            await stop.wait()
            _logger.info("draining: every worker ends its calls")
            follower.stop()
            workers.drain()
            patience = settings.drain_delay_seconds + settings.drain_seconds + _PATIENCE_SECONDS
            await asyncio.wait(keepers, timeout=patience)
            for keeper in keepers:
                keeper.cancel()  # those that are left, and their workers with them
    except* StartupError as failed:
        raise failed.exceptions[0] from None


class Workers:
    """The workers of a server.

    Args:
        settings: How each of them serves.
        count: How many there are.
        registry: For the metrics that are not the workers'.
        custom: The features of the project that the settings name.
        plan: The versions of models that all serve at first; None: each chooses.
        access: The tokens that they ask for.
    """

    def __init__(
        self,
        settings: Settings,
        count: int,
        registry: CollectorRegistry,
        custom: CustomFeatures | None = None,
        plan: Plan | None = None,
        *,
        access: WorkersAccess | None = None,
    ) -> None:
        self.settings = settings
        """Of each of them."""
        self._custom = custom
        self._access = access
        self._count = count
        self._processes: dict[int, WorkerProcess] = {}
        self._serving: set[int] = set()
        self._address: asyncio.Future[str] = asyncio.get_running_loop().create_future()
        self._draining = asyncio.Event()
        self._merged = MergedMetrics()
        self._registry = registry
        self.models = AllOrNone(lambda: [self._processes[number] for number in sorted(self._serving)], plan)
        """What all of them serve."""
        gauge = Gauge("presage_workers", "Workers that serve now.", registry=self._registry)
        gauge.set_function(lambda: len(self._serving))
        self._restarts = Counter(
            "presage_worker_restarts", "Workers started again after they had ended.", registry=self._registry
        )

    async def all_ready(self) -> str:
        """Wait until all serve; return HOST:PORT."""
        return await self._address

    def drain(self) -> None:
        """Drain all workers; none is restarted."""
        self._draining.set()
        for process in self._processes.values():
            process.drain()

    async def keep(self, number: int) -> None:
        """Run a worker, and a new one whenever it ends, until the server drains.

        Raises:
            StartupError: It cannot start, and nobody else serves.
        """
        failures = 0
        while True:
            started = monotonic()
            try:
                await self._run(number)
                failures = 0 if monotonic() - started >= _STEADY_SECONDS else failures + 1
            except WorkerFailedError as error:
                failures += 1
                if not self._draining.is_set():
                    self._give_up_or_go_on(number, error, failures)
            delay = min(_FIRST_DELAY_SECONDS * 2**failures, _MAX_DELAY_SECONDS)
            with suppress(TimeoutError):
                async with asyncio.timeout(delay):
                    await self._draining.wait()
            if self._draining.is_set():
                return
            self._restarts.inc()

    async def expose(self, gate: Gate | None = None) -> Exposed:
        """Ask all workers for their metrics and write them as those of one server, which is ready if one of them is.

        Args:
            gate: Knows who may read them; None: everyone.
        """
        processes = [self._processes[number] for number in sorted(self._serving)]
        await asyncio.gather(*(process.read_metrics() for process in processes))
        text = self._merged.text({process.number: process.metrics for process in processes})
        unready = "" if any(not process.unready for process in processes) else "no worker is ready"
        if self._draining.is_set():
            unready = "the server is draining"
        elif unready and processes:
            unready = f"worker {processes[0].number}: {processes[0].unready}"
        return Exposed(text + generate_latest(self._registry), unready, readers_of(gate))

    async def _run(self, number: int) -> None:
        """Run a worker until it ends."""
        async with AsyncExitStack() as starting:
            await starting.enter_async_context(self.models.starting())
            process = await WorkerProcess.start(number, self.settings, self._custom, self.models.plan, self._access)
            await self._run_process(number, process, starting)

    async def _run_process(self, number: int, process: WorkerProcess, starting: AsyncExitStack) -> None:
        self._processes[number] = process
        if self._draining.is_set():
            process.drain()
        try:
            address = await process.until_ready()
            self._serving.add(number)
            await starting.aclose()
            _logger.info("worker %d serves as process %d", number, process.pid)
            if len(self._serving) == self._count and not self._address.done():
                self._address.set_result(address)
            code = await process.wait()
            if not self._draining.is_set():
                _logger.error("worker %d ended with code %d and is started again", number, code)
        finally:
            self._serving.discard(number)
            del self._processes[number]
            await process.end()
            self._merged.retire(process.metrics)

    def _give_up_or_go_on(self, number: int, error: WorkerFailedError, failures: int) -> None:
        """During the start a failure ends the server; later, some workers are better than none."""
        starting = not self._address.done()
        if (starting and error.refused) or (failures >= _TRIES and (starting or not self._serving)):
            raise StartupError(str(error)) from error
        _logger.error("worker %d is tried again: %s", number, error)
