"""What a fault happens to: a server, its store, what is between them, and the traffic."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from random import Random

import redis

from benchmarks.chaos.processes import ServerProcess, StoreProcess
from benchmarks.chaos.proxy import StoreProxy, run_proxy
from benchmarks.chaos.traffic import Traffic

__all__ = ["Fault", "Rates", "StoreKind", "World", "run_world"]


class StoreKind(StrEnum):
    """The store that a fault needs."""

    OWN = "own"
    """One of the operator's, reached through a proxy."""
    DIRECT = "direct"
    """The same without a proxy, which could not keep up with much traffic."""
    REPLICATED = "replicated"
    """One of the operator's with a replica, reached through a proxy."""
    EMBEDDED = "embedded"
    """The one that ``presage serve`` starts by itself."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Rates:
    """The traffic of a fault."""

    events_per_second: float = 200.0
    scores_per_second: float = 200.0
    batch: int = 1
    """How many events a call has."""
    users: int = 200
    """How many visitors there are."""
    timeout_seconds: float = 1.0
    """The deadline of a call; the server's own limit is one second, unless flags say otherwise."""


@dataclass(kw_only=True)
class World:
    """What a fault may touch."""

    server: ServerProcess
    random: Random
    sent: Traffic | None = None
    stores: list[StoreProcess] = field(default_factory=list)
    """The primary, and its replica if there is one; none with an embedded store."""
    proxy: StoreProxy | None = None

    @property
    def traffic(self) -> Traffic:
        """What is sent to the server."""
        assert self.sent is not None
        return self.sent

    @property
    def store(self) -> StoreProcess:
        """The operator's store."""
        return self.stores[0]

    @property
    def road(self) -> StoreProxy:
        """What is between the server and the operator's store."""
        assert self.proxy is not None
        return self.proxy

    def open_store(self) -> redis.Redis:
        """Connect to the store that the server uses now."""
        if not self.stores:
            return redis.Redis.from_url(self.server.embedded_store())
        return redis.Redis.from_url(self.store.url if self.proxy is None else f"unix://{self.proxy.target}")


@dataclass(frozen=True, kw_only=True, slots=True)
class Fault:
    """Something that breaks, and is repaired."""

    name: str
    """In a few words, as the table has it."""
    act: Callable[[World], AbstractAsyncContextManager[None]]
    """Breaks it on entering; repairs it on leaving, unless it is over by itself."""
    seconds: float = 2.0
    """How long it lasts."""
    store: StoreKind = StoreKind.OWN
    may_lose: str = ""
    """Why the store itself may lose what it had acknowledged; empty: it must not."""
    workers: int = 1
    flags: tuple[str, ...] = ()
    """Further ones of ``presage serve``."""
    rates: Rates = Rates()
    all_ok: bool = False
    """Whether every call has to be answered as if nothing had happened."""


@asynccontextmanager
async def run_world(folder: Path, fault: Fault, transport: str, *, seed: int = 1) -> AsyncIterator[World]:
    """Start what a fault needs, in an empty folder; all of it ends with the context."""
    random = Random(seed)
    flags = ["--transport", transport, "--workers", str(fault.workers)]
    flags += ["--stream-max-events", "0", "--no-follow-items", "--reload-seconds", "0", *fault.flags]
    stores: list[StoreProcess] = []
    async with AsyncExitStack() as stack:
        proxy = None
        if fault.store is StoreKind.EMBEDDED:
            flags += ["--data-dir", str(folder / "data")]
        else:
            stores.append(await _start_store(folder / "s0", stack))
            if fault.store is StoreKind.REPLICATED:
                stores.append(await _start_store(folder / "s1", stack))
                stores[1].follow(stores[0])
                await stores[1].wait_until_followed(stores[0])
            if fault.store is not StoreKind.DIRECT:
                proxy = await stack.enter_async_context(run_proxy(stores[0].socket, random))
            flags += ["--redis-url", proxy.url if proxy is not None else stores[0].url]
        server = ServerProcess(folder / "server", flags)
        stack.push_async_callback(server.end)
        await server.start()
        yield World(server=server, random=random, stores=stores, proxy=proxy)


async def _start_store(folder: Path, stack: AsyncExitStack) -> StoreProcess:
    store = StoreProcess(folder)
    stack.callback(store.end)
    await store.start()
    return store
