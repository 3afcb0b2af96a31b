"""Followers and items for tests, on a real store; and a store that fails at a chosen command."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import count
from typing import Any

from redis import Redis

from presage_featurizer import Event, EventType, Item, decode_event
from presage_featurizer.event_log import EntryId
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_counter import BucketCounter, CatalogueChange, Place
from presage_server.eventlog.connecting import connect_clients
from presage_server.items.changes import ChangesReader, encode_changes
from presage_server.items.follower import Follower
from presage_server.items.item_store import ItemStore
from presage_server.items.keys import CATALOGUE_STREAM, CHANGES_FIELD
from presage_server.store.clients import StoreClients
from presage_server.store.urls import StoreUrl
from support.archives import streams
from support.running_server import GENEROUS_SECONDS
from support.stores import LocalStore

WIDTH_MICROS = 1_000_000
WIDTH_MILLIS = WIDTH_MICROS // 1_000
_FOREVER_MILLIS = 2**62
_tokens = count()


class Killed(BaseException):
    """The follower's process is killed here: nothing that it does after this happens."""


class OneClient(StoreClients):
    """The clients of a store of one server: always the same one."""

    def __init__(self, redis: Redis) -> None:
        super().__init__(StoreUrl.parse("redis://nowhere"), client_name="test", timeout_seconds=GENEROUS_SECONDS)
        self._single = redis


class FailingRedis(Redis):
    """A client whose process is killed before or after one of its commands: the store carries it out, or not."""

    kill_at = -1
    """The number of the command, from 0; none if negative."""
    kill_after = False
    sent = 0

    def execute_command(self, *args: Any, **options: Any) -> Any:
        return self._count(lambda: super(FailingRedis, self).execute_command(*args, **options))

    def pipeline(self, transaction: bool = True, shard_hint: Any = None) -> Any:  # noqa: FBT001, FBT002 - redis-py's
        made = super().pipeline(transaction, shard_hint)
        execute = made.execute
        made.execute = lambda raise_on_error=True: self._count(lambda: execute(raise_on_error))
        return made

    def _count(self, command: Callable[[], Any]) -> Any:
        number, self.sent = self.sent, self.sent + 1
        if number == self.kill_at and not self.kill_after:
            raise Killed
        result = command()
        if number == self.kill_at:
            raise Killed
        return result


@contextmanager
def a_follower(
    store: LocalStore, warnings: list[str] | None = None, *, width_micros: int = WIDTH_MICROS, **options: Any
) -> Iterator[Follower]:
    """Make a follower that is prepared by its first use."""
    clients, counts_entries = connect_clients(store.url, client_name="test", timeout_seconds=GENEROUS_SECONDS)
    with clients:
        yield make_follower(clients, warnings, counts_entries=counts_entries, width_micros=width_micros, **options)


def make_follower(clients: StoreClients, warnings: list[str] | None = None, **options: Any) -> Follower:
    """Make a follower on a store's clients."""
    options = {"counts_entries": True, "width_micros": WIDTH_MICROS} | options
    found = [] if warnings is None else warnings
    return Follower(clients=clients, token=lambda: f"t{next(_tokens)}", warn=found.append, **options)


def run_once(follower: Follower) -> None:
    """Prepare a follower and have it publish all that is closed."""
    follower.prepare()
    while follower.step():
        pass


def an_event(user_id: str, *items: Item, kind: EventType = EventType.VIEW_ITEM, country: str = "") -> Event:
    """Make an event with items."""
    return Event("e", kind, user_id, 1_700_000_000_000_000, items=items, country=country)


def put_event(store: LocalStore, event: Event, entry_id: str = "*") -> None:
    """Append an event to its visitor's stream, at a moment of the store's time of a test's own."""
    from presage_featurizer import encode_event
    from presage_featurizer.event_log import partition_of, stream_key

    store.redis.xadd(stream_key(partition_of(event.user_id)), {"event": encode_event(event)}, id=entry_id)


def put_change(store: LocalStore, *changes: CatalogueChange, entry_id: str = "*") -> None:
    """Append changes to the catalogue's stream."""
    for encoded in encode_changes(changes):
        store.redis.xadd(CATALOGUE_STREAM, {CHANGES_FIELD: encoded}, id=entry_id)


def loaded(store: LocalStore) -> ItemColumns:
    """Load the columns that the store has."""
    return ItemStore(store.redis).load(WIDTH_MICROS).columns


def recounted(store: LocalStore, epoch: int, width_micros: int = WIDTH_MICROS) -> ItemColumns:
    """Count all entries of the streams again, in one go, up to an epoch."""
    counter = BucketCounter(width_micros)
    for (partition, unix_millis, sequence), (encoded, _) in streams(store.redis).items():
        counter.add(decode_event(encoded), Place(unix_millis * 1_000, sequence, partition))
    reader = ChangesReader(store.redis, EntryId(0, 0))
    while found := reader.read(_FOREVER_MILLIS):
        for entry in found:
            for change in entry.changes:
                counter.add_change(change, entry.place)
    columns = ItemColumns(width_micros)
    for number in counter.open_buckets:
        if number < epoch:
            columns.apply(counter.close(number))
    columns.apply(counter.close(epoch))
    return columns
