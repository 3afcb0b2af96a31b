"""The running server: its parts put together, started in order, and taken down in order."""

from __future__ import annotations

import asyncio
import ipaddress
import logging
import os
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager, suppress
from random import Random
from uuid import uuid4

import grpc
from google.protobuf.internal import api_implementation
from grpc_health.v1 import health, health_pb2, health_pb2_grpc
from grpc_reflection.v1alpha import reflection

from presage_server.call import Call
from presage_server.clock import system_clock
from presage_server.errors import SettingsError, StoreStartError
from presage_server.eventlog.sampling import Sampler
from presage_server.models.loading import Models, load_models
from presage_server.pipeline.admission import Admission
from presage_server.pipeline.in_flight import InFlight
from presage_server.rpc.handlers import SERVICE_NAME, add_handlers
from presage_server.rpc.servicer import ScoringServicer
from presage_server.scoring.scorer import Scorer, Target
from presage_server.settings import Settings
from presage_server.store.embedded import embedded_store
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.snapshot import WRITER_BYTES
from presage_server.telemetry.metrics import Metrics, serve_metrics
from presage_server.tracking.tracker import Tracker
from presage_server.transport.choosing import choose_transport, make_server

__all__ = ["running"]

_logger = logging.getLogger(__name__)

_WARM_UP_CALLS = 100
_WARM_UP_SECONDS = 1.0
_STORE_SECONDS = 10.0
_STOP_SECONDS = 1.0


@asynccontextmanager
async def running(
    settings: Settings,
    metrics: Metrics | None = None,
    *,
    warmed_up: Callable[[], None] = lambda: None,
    share_port: bool = False,
) -> AsyncIterator[str]:
    """Run a server for as long as the context lasts.

    Args:
        settings: How to serve.
        metrics: What it counts in; its own unless given.
        warmed_up: Called when all is loaded and has run, before the first call can arrive.
        share_port: Whether other processes may listen on the same port, to have the kernel deal connections out.

    Yields:
        HOST:PORT, once calls are answered.

    Raises:
        StartupError: The server cannot start; the message says why.
    """
    models = load_models(settings.models, settings.default_model)
    for model in models:
        _logger.info("model %s version %s, features %r", model.name, model.version, model.feature_set.name)
    metrics = metrics or Metrics()
    async with AsyncExitStack() as stack:
        store = await _open_store(settings, stack)
        sampler = await _start_sampler(store, metrics, settings, stack)
        servicer = ScoringServicer(
            tracker=Tracker(store, store, metrics),
            scorer=Scorer(store, metrics, sampler),
            models=models,
            metrics=metrics,
            clock=system_clock,
            new_id=lambda: uuid4().hex,
            in_flight=InFlight(settings.max_in_flight),
            timeout_seconds=settings.timeout_ms / 1e3,
        )
        if settings.metrics_port >= 0:
            http = await serve_metrics(metrics, settings.host, settings.metrics_port)
            stack.callback(http.close)
        await _warm_up(Scorer(store, Metrics()), models)  # its scores are not the callers'
        warmed_up()
        # Only now, for the port may be one that others answer on, too: none of its callers should meet a server that is not ready.
        server, health_servicer, address = _make_server(servicer, settings, share_port=share_port)
        for name in ("", SERVICE_NAME):
            await health_servicer.set(name, health_pb2.HealthCheckResponse.SERVING)
        await server.start()
        stack.push_async_callback(_stop_at_once, server)  # when there is nothing to drain, or no time for it
        yield address
        await health_servicer.enter_graceful_shutdown()
        await asyncio.sleep(settings.drain_delay_seconds)
        await server.stop(settings.drain_seconds)


async def _open_store(settings: Settings, stack: AsyncExitStack) -> RedisStore:
    url = settings.redis_url or await stack.enter_async_context(embedded_store(settings.data_dir))
    store = RedisStore(
        *connect(url),
        clock=system_clock,
        writer=os.urandom(WRITER_BYTES),
        state_ttl_ms=round(settings.state_ttl_days * 86_400_000),
        stream_max_events=settings.stream_max_events,
    )
    stack.push_async_callback(store.close)
    try:
        async with asyncio.timeout(_STORE_SECONDS):
            kind, policy = await store.prepare(), await store.eviction_policy()
    except TimeoutError as error:
        raise StoreStartError(f"redis_url: the store does not answer within {_STORE_SECONDS:g} s") from error
    if settings.redis_url:
        _logger.info("store: %s", kind)
    else:
        _logger.info("store: embedded %s at %s, data in %s", kind, url, settings.data_dir)
    if policy not in ("", "noeviction"):
        _logger.warning("the store's maxmemory-policy is %s: it may forget visitors; set it to noeviction", policy)
    return store


async def _start_sampler(
    store: RedisStore, metrics: Metrics, settings: Settings, stack: AsyncExitStack
) -> Sampler | None:
    if not settings.sample_vectors_share:
        return None
    sampler = Sampler(share=settings.sample_vectors_share, random=Random().random, metrics=metrics)  # noqa: S311 - a sample
    task = asyncio.create_task(sampler.run(store))
    stack.callback(task.cancel)
    return sampler


def _make_server(
    servicer: ScoringServicer, settings: Settings, *, share_port: bool
) -> tuple[grpc.aio.Server, health.aio.HealthServicer, str]:
    if api_implementation.Type() != "upb":
        _logger.warning(
            "protobuf runs as %s, which is slow and easier to overload; install its wheel", api_implementation.Type()
        )
    transport, reason = choose_transport(settings.transport)
    _logger.info("transport: %s (%s)", transport, reason)
    server = make_server(
        transport,
        [
            ("grpc.max_receive_message_length", settings.max_message_bytes),
            ("grpc.max_metadata_size", 8 << 10),
            ("grpc.so_reuseport", int(share_port)),  # unless meant, a port that is taken is an error, not a lottery
            ("grpc.http2.min_ping_interval_without_data_ms", 10_000),  # the client pings every 30 s, idle or not
            ("grpc.keepalive_permit_without_calls", 1),
        ],
        metrics=servicer.metrics,
        admission=Admission(settings.max_in_flight),
        io_threads=settings.io_threads,
    )
    add_handlers(servicer, server)
    health_servicer = health.aio.HealthServicer()
    health_pb2_grpc.add_HealthServicer_to_server(health_servicer, server)
    if settings.reflection:
        names = (SERVICE_NAME, health.SERVICE_NAME, reflection.SERVICE_NAME)
        reflection.enable_server_reflection(names, server)
    host = f"[{settings.host}]" if settings.host.count(":") > 1 else settings.host  # IPv6
    try:
        port = server.add_insecure_port(f"{host}:{settings.port}")
    except RuntimeError as error:
        raise SettingsError(
            f"port: cannot listen on {host}:{settings.port}; is it taken, or the host not this machine's?"
        ) from error
    if not _is_loopback(settings.host):
        _logger.warning(
            "listening on %s without encryption: put a TLS-terminating proxy or a mesh in front", settings.host
        )
    return server, health_servicer, f"{host}:{port}"


async def _stop_at_once(server: grpc.aio.Server) -> None:
    # A call that does not even let itself be cancelled must not keep the process.
    with suppress(TimeoutError):
        async with asyncio.timeout(_STOP_SECONDS):
            await server.stop(None)


async def _warm_up(scorer: Scorer, models: Models) -> None:
    """Have every part run before the first caller waits for it."""
    targets = [Target(f"warm-up-{number}") for number in range(_WARM_UP_CALLS)]
    for model in models:
        for target in targets:
            await scorer.score([target], model, system_clock(), Call(_WARM_UP_SECONDS))


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
