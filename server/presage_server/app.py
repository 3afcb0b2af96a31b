"""The running server: its parts put together, started in order, and taken down in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from time import monotonic

from grpc_health.v1 import health, health_pb2
from redis.asyncio import Redis

from presage_featurizer import NO_AGGREGATES
from presage_featurizer.custom import CustomFeatures
from presage_server.access.gate import readers_of
from presage_server.access.opening import SharedAccess, open_access
from presage_server.clock import system_clock
from presage_server.drift.counting import ServedCounts
from presage_server.drift.publishing import CountsPublisher
from presage_server.drift.stored_hours import HOURS_TAG
from presage_server.items.keys import CATALOGUE_STREAM
from presage_server.items.running import live_items
from presage_server.models.applying import LocalReloads, Reloads
from presage_server.models.binding import TableBinding
from presage_server.models.placements import read_placements
from presage_server.models.project import read_project
from presage_server.models.swapping import Swapper
from presage_server.parts import (
    SERVICES,
    add_rare_methods,
    make_counts,
    make_grpcio_server,
    make_guard,
    make_methods,
    make_ranker,
    make_scorer,
    new_id,
    show_what_is_served,
)
from presage_server.pipeline.after_replies import AfterReplies
from presage_server.pipeline.between import BetweenBatches
from presage_server.pipeline.intake import Intake
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.pipeline.pipeline import Pipeline
from presage_server.pipeline.warming import VersionWarmer, warm_up
from presage_server.settings import Settings
from presage_server.store.opening import OpenStore, open_store
from presage_server.store.redis_store import RedisStore
from presage_server.store.snapshot import WRITER_BYTES
from presage_server.store.written import watched_losses
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.readiness import Readiness, followed_readiness
from presage_server.tracing.observing import observed
from presage_server.tracking.recent import RecentSnapshots
from presage_server.tracking.tracker import Tracker
from presage_server.transport.choosing import choose_transport, make_transport
from presage_server.transport.encrypting import encrypting
from presage_server.transport.finishing import finish_calls
from presage_server.transport.interface import ServerOptions, Transport
from presage_server.workers.self_check import SelfCheck

__all__ = ["running"]

_logger = logging.getLogger(__name__)

_STOP_SECONDS = 1.0
_KEEP_SECONDS = 5.0
"""For how much longer than a call may take a version is kept that was replaced."""
_POLL_SECONDS = 0.00025
"""How long the serving thread waits for the store before it looks for new calls."""


@asynccontextmanager
async def running(
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    warmed_up: Callable[[], None] = lambda: None,
    share_port: bool = False,
    custom: CustomFeatures | None = None,
    reloads: Reloads | None = None,
    shared_access: SharedAccess | None = None,
) -> AsyncIterator[str]:
    """Run a server for as long as the context lasts.

    Args:
        settings: How to serve.
        metrics: What it counts in; its own unless given.
        warmed_up: Called when all is loaded and has run, before the first call can arrive.
        share_port: Whether other processes listen on the same port; the kernel distributes connections.
        custom: The features of the project, if they were read before; else its folder is read.
        reloads: Loads the models and changes them; follows their folder unless given.
        shared_access: The tokens and rates that the process shares with others.

    Yields:
        HOST:PORT or the address of a socket, once calls are answered.

    Raises:
        StartupError: The server cannot start; the message says why.
    """
    custom = custom or read_project(settings.project)
    metrics = metrics or Metrics()
    reloads = reloads or LocalReloads(metrics.registry)
    models = reloads.load(settings, custom)
    placements = read_placements(settings.placements)
    show_what_is_served(settings, custom, models, metrics)
    transport_name, reason = choose_transport(settings)
    _logger.info("transport: %s (%s)", transport_name, reason)
    async with AsyncExitStack() as stack:
        interceptors = await stack.enter_async_context(observed(settings, metrics))
        options = ServerOptions(
            host=settings.host,
            port=settings.port,
            max_message_bytes=settings.max_message_bytes,
            share_port=share_port,
            io_threads=settings.io_threads,
            credentials=stack.enter_context(encrypting(settings, metrics.registry)),
        )
        access = stack.enter_context(open_access(settings, metrics.registry, shared_access))
        gate = None if access is None else access.gate
        metrics.readers = partial(readers_of, gate)
        methods = make_methods(models, placements, metrics, custom=custom, stack=stack)
        server, health_servicer = make_grpcio_server(settings, options, gate if transport_name == "native" else None)
        paths = [method.path for method in methods]
        transport = make_transport(transport_name, options, paths, server, None if gate is None else gate.admits)
        opened = await open_store(settings, stack)
        rare = opened.of_key(CATALOGUE_STREAM)
        binding = TableBinding(models)
        readiness = await stack.enter_async_context(followed_readiness(settings, metrics, health_servicer, rare))
        live = await stack.enter_async_context(live_items(opened.url, settings, metrics.registry, binding.bind))
        add_rare_methods(server, models=models, redis=rare, live=live, settings=settings, custom=custom)
        store = _make_store(opened, settings, metrics)
        counts = make_counts(settings, models, metrics)
        scorer, pairs = make_scorer(settings, store, metrics, counts)
        ranker, list_pairs = make_ranker(settings, live, store, metrics)
        overload = OverloadPolicy()
        pipeline = Pipeline(
            intake=Intake(methods, interceptors, overload, metrics, settings.timeout_ms / 1e3),
            store=store,
            tracker=Tracker(
                store,
                metrics,
                RecentSnapshots(),
                scorer.count,
                aggregates=NO_AGGREGATES if custom is None else custom.aggregates,
                log_scores=scorer.log,
            ),
            scorer=scorer,
            ranker=ranker,
            overload=overload,
            metrics=metrics,
            wait_seconds=_POLL_SECONDS,
            after_replies=AfterReplies(pairs, make_guard(settings, models, metrics, stack), list_pairs),
        )
        warm_up(models, store, live)
        warmed_up()
        # Only now, for the port may be one that others listen on, too: no caller should meet a server that is not ready.
        for name in ("", *SERVICES):
            await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        stack.push_async_callback(_stop_at_once, transport)  # when there is nothing to drain, or no time for it
        between = BetweenBatches(pipeline.turn)
        address = await transport.start(between.turn)
        self_check = SelfCheck(
            transport, "" if share_port else transport.own_address, metadata=() if gate is None else gate.own_metadata
        )
        await self_check.run_once()
        await readiness.begin()
        checking = asyncio.create_task(self_check.run())
        stack.callback(checking.cancel)
        await stack.enter_async_context(watched_losses(opened.watch_losses(store.written), metrics.registry))
        swapper = Swapper(
            models,
            settings.models,
            custom,
            warm_up=VersionWarmer(binding, live, counts),
            run_between_batches=between.run,
            keep_seconds=settings.timeout_ms / 1e3 + _KEEP_SECONDS,
            after_swap=partial(counts.keep_only, models) if counts is not None else None,
        )
        await stack.enter_async_context(_changing(reloads, swapper))
        await stack.enter_async_context(_publishing(counts, opened.of_key(HOURS_TAG)))
        yield address
        reloads.stop()
        checking.cancel()
        await _drain(settings, health_servicer, transport, readiness)


def _make_store(opened: OpenStore, settings: Settings, metrics: Metrics) -> RedisStore:
    """Make what reads and writes states, and export its troubles."""
    store = opened.make(
        clock=system_clock,
        writer=os.urandom(WRITER_BYTES),
        state_ttl_ms=round(settings.state_ttl_days * 86_400_000),
        stream_max_events=settings.stream_max_events,
    )
    metrics.registry.register(store.trouble)
    metrics.store_is_silent = lambda: opened.link.silent
    return store


async def _drain(
    settings: Settings, health_servicer: health.aio.HealthServicer, transport: Transport, readiness: Readiness
) -> None:
    """Send callers elsewhere, then end the calls in flight, and those that come behind them."""
    await readiness.drain()
    await health_servicer.enter_graceful_shutdown()
    await asyncio.sleep(settings.drain_delay_seconds)
    until = monotonic() + settings.drain_seconds
    await finish_calls(transport, settings.drain_seconds / 2)
    await transport.stop(max(0.0, until - monotonic()))


@asynccontextmanager
async def _changing(reloads: Reloads, swapper: Swapper) -> AsyncIterator[None]:
    """Have the models changed for as long as the context lasts."""
    reloads.start(swapper)
    try:
        yield
    finally:
        swapper.give_up()
        await asyncio.to_thread(reloads.close)  # the loop may be what a change waits for
        swapper.close()


@asynccontextmanager
async def _publishing(counts: ServedCounts | None, redis: Redis) -> AsyncIterator[None]:
    """Publish what is counted for as long as the context lasts, and the rest at its end."""
    if counts is None:
        yield
        return
    publisher = CountsPublisher(counts, redis, writer=new_id())
    publishing = asyncio.create_task(publisher.run())
    try:
        yield
    finally:
        publishing.cancel()
        await publisher.publish()


async def _stop_at_once(transport: Transport) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await transport.stop(0.0)
    except TimeoutError:
        pass  # a call that does not end must not keep the process
