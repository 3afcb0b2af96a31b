"""The running server: its parts put together, started in order, and taken down in order."""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from functools import partial
from random import Random
from uuid import uuid4

import grpc
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from redis.asyncio import Redis

from presage_featurizer import NO_AGGREGATES
from presage_featurizer.custom import CustomFeatures
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.placements import Placements
from presage_server.clock import system_clock
from presage_server.drift.counting import ServedCounts
from presage_server.drift.publishing import publishing
from presage_server.errors import StoreStartError
from presage_server.items.catalogue_service import CatalogueService
from presage_server.items.running import live_items
from presage_server.models.loading import load_models
from presage_server.models.placements import read_placements
from presage_server.models.project import read_project
from presage_server.models.served import Models
from presage_server.pipeline.intake import Intake
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.pipeline.pipeline import Pipeline
from presage_server.pipeline.warming import warm_up
from presage_server.ranking.exposures import ExposureLog
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.ranking_service import SERVICE_NAME as RANKING_NAME
from presage_server.rpc.ranking_service import RankingService
from presage_server.rpc.reflection import enable_reflection
from presage_server.rpc.registry import Method
from presage_server.rpc.scoring_service import SERVICE_NAME, ScoringService
from presage_server.scoring.sampler import Sampler
from presage_server.scoring.scorer import Scorer
from presage_server.settings import Settings
from presage_server.store.checking import check_store, connect
from presage_server.store.connecting import Connector
from presage_server.store.embedded import embedded_store
from presage_server.store.link import Link
from presage_server.store.redis_store import RedisStore
from presage_server.store.resp import ReplyError
from presage_server.store.snapshot import WRITER_BYTES
from presage_server.telemetry.build import export_build_info, installed_version
from presage_server.telemetry.clock_jumps import ClockWatch
from presage_server.telemetry.metrics import Metrics, serve_metrics
from presage_server.tracking.recent import RecentSnapshots
from presage_server.tracking.tracker import Tracker
from presage_server.transport.choosing import choose_transport, make_transport
from presage_server.transport.interface import ServerOptions, Transport, grpcio_options
from presage_server.workers.self_check import SelfCheck

__all__ = ["running"]

_logger = logging.getLogger(__name__)

_SERVICES = (SERVICE_NAME, RANKING_NAME)
_STORE_SECONDS = 10.0
_STOP_SECONDS = 1.0
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
) -> AsyncIterator[str]:
    """Run a server for as long as the context lasts.

    Args:
        settings: How to serve.
        metrics: What it counts in; its own unless given.
        warmed_up: Called when all is loaded and has run, before the first call can arrive.
        share_port: Whether other processes listen on the same port; the kernel distributes connections.
        custom: The features of the project, if they were read before; else its folder is read.

    Yields:
        HOST:PORT, once calls are answered.

    Raises:
        StartupError: The server cannot start; the message says why.
    """
    custom = custom or read_project(settings.project)
    models = load_models(
        settings.models, settings.default_model, custom, default_ranking=settings.default_ranking_model
    )
    placements = read_placements(settings.placements)
    _log_what_is_served(settings, custom, models)
    metrics = metrics or Metrics()
    metrics.count_rejected_bundles(models.rejected)
    export_build_info(metrics.registry, [(model.name, model.version) for model in (*models, *models.ranking_models)])
    transport_name, reason = choose_transport(settings)
    _logger.info("transport: %s (%s)", transport_name, reason)
    async with AsyncExitStack() as stack:
        options = ServerOptions(
            host=settings.host,
            port=settings.port,
            max_message_bytes=settings.max_message_bytes,
            share_port=share_port,
            io_threads=settings.io_threads,
        )
        methods = _make_methods(models, placements, metrics)
        server, health_servicer = _make_grpcio_server(settings, options)
        paths = [method.path for method in methods]
        transport, watcher = make_transport(transport_name, options, paths, server)
        link, redis, url = await _open_link(settings, stack)
        link.watch_with(watcher)
        CatalogueService(redis, timeout_seconds=settings.store_timeout_ms / 1e3).add_to(server)
        live = await stack.enter_async_context(
            live_items(url, settings, metrics.registry, partial(_bind_tables, models))
        )
        store = RedisStore(
            link,
            clock=system_clock,
            writer=os.urandom(WRITER_BYTES),
            state_ttl_ms=round(settings.state_ttl_days * 86_400_000),
            stream_max_events=settings.stream_max_events,
        )
        metrics.registry.register(store.trouble)
        metrics.store_is_silent = lambda: link.silent
        counts = _make_counts(settings, models, metrics)
        scorer = Scorer(metrics, _make_sampler(settings, store, metrics), counts)
        ranker = Ranker(live, metrics, _make_exposure_log(settings, store, metrics))
        overload = OverloadPolicy()
        pipeline = Pipeline(
            intake=Intake(methods, (), overload, metrics, settings.timeout_ms / 1e3),
            store=store,
            tracker=Tracker(
                store,
                metrics,
                RecentSnapshots(),
                scorer.count,
                aggregates=NO_AGGREGATES if custom is None else custom.aggregates,
            ),
            scorer=scorer,
            ranker=ranker,
            overload=overload,
            metrics=metrics,
            wait_seconds=0.0 if watcher else _POLL_SECONDS,
        )
        if settings.metrics_port >= 0:
            http = await serve_metrics(metrics, settings.host, settings.metrics_port)
            stack.callback(http.close)
        warm_up(models, store, live)
        warmed_up()
        # Only now, for the port may be one that others listen on, too: no caller should meet a server that is not ready.
        for name in ("", *_SERVICES):
            await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        stack.push_async_callback(_stop_at_once, transport)  # when there is nothing to drain, or no time for it
        address = await transport.start(pipeline.turn)
        self_check = SelfCheck(transport, "" if share_port else address)
        await self_check.run_once()
        checking = asyncio.create_task(self_check.run())
        stack.callback(checking.cancel)
        stack.callback(asyncio.create_task(ClockWatch(metrics.clock_jumps).run()).cancel)
        await stack.enter_async_context(publishing(counts, redis, writer=_new_id()))
        yield address
        checking.cancel()
        await health_servicer.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_delay_seconds)
        await transport.stop(settings.drain_seconds)


def _bind_tables(models: Models, items: ItemColumns) -> None:
    """Have the tables of all ranking models ready for columns."""
    for model in models.ranking_models:
        model.tables(items)


def _log_what_is_served(settings: Settings, custom: CustomFeatures | None, models: Models) -> None:
    _logger.info("presage %s", installed_version())
    if custom is not None:
        _logger.info(
            "project %s: features %r with %d of its own, %d aggregates of each visitor",
            settings.project,
            custom.feature_set.name,
            len(custom.catalogue),
            len(custom.aggregates.aggregates),
        )
    for model in models:
        _logger.info("model %s version %s, features %r", model.name, model.version, model.feature_set.name)
    for ranking in models.ranking_models:
        _logger.info("model %s version %s ranks items", ranking.name, ranking.version)


async def _open_link(settings: Settings, stack: AsyncExitStack) -> tuple[Link, Redis, str]:
    """Connect; return what calls share, a client for what is rare, and the store's URL."""
    url = settings.redis_url or await stack.enter_async_context(
        embedded_store(settings.data_dir, fsync=settings.store_fsync)
    )
    redis, address = connect(url)
    stack.push_async_callback(redis.aclose, close_connection_pool=True)
    link = Link(Connector(address), timeout_seconds=settings.store_timeout_ms / 1e3)
    stack.callback(link.close)
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            kind = await check_store(redis)
            await asyncio.to_thread(link.open, _STORE_SECONDS)
    except TimeoutError as error:
        raise StoreStartError(f"redis_url: the store does not answer within {_STORE_SECONDS:g} s") from error
    except (OSError, ValueError, ReplyError) as error:
        raise StoreStartError(f"redis_url: the store cannot be used: {error}") from error
    if settings.redis_url:
        _logger.info("store: %s", kind)
    else:
        _logger.info("store: embedded %s at %s, data in %s", kind, url, settings.data_dir)
    return link, redis, url


def _make_grpcio_server(
    settings: Settings, options: ServerOptions
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """Make the grpc.aio server of health, reflection and, with the portable transport, everything else."""
    if api_implementation.Type() != "upb":
        _logger.warning(
            "protobuf runs as %s, which is slow and easier to overload; install its wheel", api_implementation.Type()
        )
    server = grpc.aio.server(options=grpcio_options(options))
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if settings.reflection:
        enable_reflection((*_SERVICES, health.SERVICE_NAME), server)
    return server, health_servicer


def _make_methods(models: Models, placements: Placements, metrics: Metrics) -> list[Method]:
    scoring = ScoringService(models=models, clock=system_clock, new_id=_new_id, metrics=metrics)
    ranking = RankingService(models=models, placements=placements, clock=system_clock, new_rank_id=_new_id)
    return [*scoring.methods(), *ranking.methods()]


def _new_id() -> str:
    return uuid4().hex


def _make_sampler(settings: Settings, store: RedisStore, metrics: Metrics) -> Sampler | None:
    if not settings.sample_vectors_share:
        return None
    share = settings.sample_vectors_share
    return Sampler(share=share, random=Random().random, writer=store, metrics=metrics)  # noqa: S311 - a sample


def _make_counts(settings: Settings, models: Models, metrics: Metrics) -> ServedCounts | None:
    if not settings.count_served:
        return None
    counts = ServedCounts(system_clock)
    counts.prepare(models)
    metrics.registry.register(counts)
    return counts


def _make_exposure_log(settings: Settings, store: RedisStore, metrics: Metrics) -> ExposureLog | None:
    if not settings.exposures_share:
        return None
    return ExposureLog(
        share=settings.exposures_share,
        features_share=settings.sample_vectors_share,
        random=Random().random,  # noqa: S311 - a sample
        writer=store,
        metrics=metrics,
    )


async def _stop_at_once(transport: Transport) -> None:
    try:
        async with asyncio.timeout(_STOP_SECONDS):
            await transport.stop(0.0)
    except TimeoutError:
        pass  # a call that does not end must not keep the process
