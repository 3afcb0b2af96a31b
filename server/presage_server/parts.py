"""Parts of a running server, each made from the settings; ``app`` puts them together."""

from __future__ import annotations

import asyncio
import logging
from contextlib import AsyncExitStack
from random import Random
from uuid import uuid4

import grpc
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health
from redis.asyncio import Redis

from presage_featurizer.custom import CustomFeatures
from presage_featurizer.ranking.placements import Placements
from presage_server.access.gate import Gate
from presage_server.access.interceptor import TokenInterceptor
from presage_server.clock import system_clock
from presage_server.drift.counting import ServedCounts
from presage_server.explaining.explainers import Explainers
from presage_server.explaining.method import ExplainMethod
from presage_server.items.catalogue_service import CatalogueService
from presage_server.items.item_reports import ItemReports
from presage_server.items.live_items import LiveItems
from presage_server.models.guarding import Guard
from presage_server.models.reporting import Reporter
from presage_server.models.rolling_back import Rollbacks
from presage_server.models.served import Models
from presage_server.models.service import MODEL_SERVICE_NAME, ModelService
from presage_server.models.setting_aliases import AliasSetter, verify_aside
from presage_server.ranking.current_items import ItemSource
from presage_server.ranking.exposures import ExposureLog
from presage_server.ranking.pairing import ListPairs
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.health import add_health
from presage_server.rpc.ranking_service import SERVICE_NAME as RANKING_NAME
from presage_server.rpc.ranking_service import RankingService
from presage_server.rpc.reflection import enable_reflection
from presage_server.rpc.registry import Method
from presage_server.rpc.scoring_service import SERVICE_NAME, ScoringService
from presage_server.scoring.pairing import Pairs
from presage_server.scoring.sampler import Sampler
from presage_server.scoring.scorer import Scorer
from presage_server.settings import Settings
from presage_server.store.redis_store import RedisStore
from presage_server.telemetry.build import BuildInfo, installed_version
from presage_server.telemetry.metrics import Metrics
from presage_server.transport.interface import ServerOptions, grpcio_options

__all__ = [
    "SERVICES",
    "add_rare_methods",
    "make_counts",
    "make_grpcio_server",
    "make_guard",
    "make_methods",
    "make_ranker",
    "make_scorer",
    "new_id",
    "show_what_is_served",
]

_logger = logging.getLogger(__name__)

_MAX_COUNTED_A_SECOND = 2_000
"""Rows of which the features are counted for drift: seven millions in an hour."""

SERVICES = (SERVICE_NAME, RANKING_NAME, MODEL_SERVICE_NAME)


def make_methods(
    models: Models,
    placements: Placements,
    metrics: Metrics,
    *,
    custom: CustomFeatures | None,
    stack: AsyncExitStack,
) -> list[Method]:
    explainers = Explainers(asyncio.get_running_loop(), custom)
    stack.push_async_callback(explainers.close)
    explain = ExplainMethod(models=models, clock=system_clock, explainers=explainers)
    scoring = ScoringService(models=models, clock=system_clock, new_id=new_id, metrics=metrics)
    ranking = RankingService(models=models, placements=placements, clock=system_clock, new_rank_id=new_id)
    return [*scoring.methods(), *ranking.methods(), *explain.methods()]


def add_rare_methods(
    server: grpc.aio.Server,
    *,
    models: Models,
    redis: Redis,
    live: LiveItems,
    settings: Settings,
    custom: CustomFeatures | None,
) -> None:
    """Have the grpc.aio server serve what need not be fast."""
    ItemReports(live).add_to(server)
    CatalogueService(redis, timeout_seconds=settings.store_timeout_ms / 1e3).add_to(server)
    setter = None
    if settings.allow_set_aliases:
        find_problems = verify_aside(settings.models, custom, settings.require_signature)
        setter = AliasSetter(settings.models, models, find_problems, system_clock)
    ModelService(Reporter(settings.models, models), setter=setter).add_to(server)


def make_counts(settings: Settings, models: Models, metrics: Metrics) -> ServedCounts | None:
    if not settings.count_served:
        return None
    counts = ServedCounts(system_clock, max_rows_a_second=_MAX_COUNTED_A_SECOND)
    counts.prepare(models)
    metrics.registry.register(counts)
    return counts


def make_scorer(
    settings: Settings, store: RedisStore, metrics: Metrics, counts: ServedCounts | None
) -> tuple[Scorer, Pairs]:
    """Make what scores visitors, and what logs the scores of several versions beside each other."""
    random = Random().random  # noqa: S311 - samples
    sampler = Sampler(share=settings.sample_vectors_share, random=random, writer=store, metrics=metrics)
    pairs = Pairs(sampler, metrics, random)
    return Scorer(metrics, sampler, pairs, counts), pairs


def make_guard(settings: Settings, models: Models, metrics: Metrics, stack: AsyncExitStack) -> Guard:
    rollbacks = Rollbacks(
        settings.models,
        asyncio.get_running_loop(),
        system_clock,
        written=metrics.rollbacks,
        not_written=metrics.rollbacks_not_written,
        hold=lambda rollback: models.hold_rollback(rollback.model, rollback.aliases),
    )
    stack.push_async_callback(rollbacks.finish)
    return Guard(models, metrics.versions, rollbacks.start)


def make_ranker(settings: Settings, items: ItemSource, store: RedisStore, metrics: Metrics) -> tuple[Ranker, ListPairs]:
    """Make what ranks items for visitors, and what logs the scores of several versions beside each other."""
    random = Random().random  # noqa: S311 - samples
    exposures = ExposureLog(
        share=settings.exposures_share,
        features_share=settings.sample_vectors_share,
        random=random,
        writer=store,
        metrics=metrics,
    )
    pairs = ListPairs(exposures, metrics, random)
    return Ranker(items, metrics, exposures, pairs), pairs


def make_grpcio_server(
    settings: Settings, options: ServerOptions, gate: Gate | None
) -> tuple[grpc.aio.Server, health.aio.HealthServicer]:
    """Make the grpc.aio server of health, reflection and whatever else need not be fast.

    Args:
        settings: How to serve.
        options: How to listen.
        gate: Checks its calls; None where the transport has checked them, or nobody does.
    """
    if api_implementation.Type() != "upb":
        _logger.warning(
            "protobuf runs as %s, which is slow and easier to overload; install its wheel", api_implementation.Type()
        )
    server = grpc.aio.server(
        options=grpcio_options(options), interceptors=[TokenInterceptor(gate)] if gate is not None else []
    )
    health_servicer = health.aio.HealthServicer()
    add_health(health_servicer, server)
    if settings.reflection:
        enable_reflection((*SERVICES, health.SERVICE_NAME), server)
    return server, health_servicer


def show_what_is_served(settings: Settings, custom: CustomFeatures | None, models: Models, metrics: Metrics) -> None:
    """Log it, and export it as metrics."""
    metrics.count_rejected_bundles(models.rejected)
    metrics.registry.register(
        BuildInfo(lambda: [(model.name, model.version) for model in (*models, *models.ranking_models)])
    )
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


def new_id() -> str:
    return uuid4().hex
