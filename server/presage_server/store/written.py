"""The entries that a server last wrote into event streams, and which of them a store lost when it was restarted or failed over."""

from __future__ import annotations

import asyncio
import logging
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime
from typing import Any, NamedTuple

from prometheus_client import CollectorRegistry
from redis.asyncio import Redis
from redis.exceptions import RedisError

from presage_featurizer.event_log import BEGINNING, EntryId
from presage_server.store.link import Link
from presage_server.telemetry.counting import Counters

__all__ = ["LossWatch", "WrittenChange", "WrittenEntries", "removed_to", "watched_losses"]

_logger = logging.getLogger(__name__)

_MOST_CHANGES = 1 << 16
"""About 12 MB; what a busy process writes in several seconds, which is longer than a store holds writes back."""
_EVERY_SECONDS, _TIMEOUT_SECONDS = 1.0, 10.0
_CHANGES_PER_ROUND_TRIP = 64


class WrittenChange(NamedTuple):
    """A change of a visitor that the store acknowledged."""

    stream: str
    """The stream that the events went to."""
    last_id: bytes
    """The id of the last of their entries."""
    events: int
    """How many they are."""
    process: int
    """The process of the store that took it, as ``Link.process`` counts them."""


class WrittenEntries:
    """The changes that were acknowledged, the newest ones; older ones are forgotten.

    ``note`` is for the thread that serves, all else for another one.
    """

    def __init__(self, most: int = _MOST_CHANGES) -> None:
        # Plain tuples, which are made in a quarter of the time.
        self._changes: deque[tuple[str, bytes, int, int]] = deque(maxlen=most)
        self._forgotten: set[tuple[str, bytes, int, int]] = set()
        """Those that were found to be lost."""

    def note(self, stream: str, last_id: bytes, events: int, process: int) -> None:
        """Remember a change; the arguments are those of WrittenChange."""
        self._changes.append((stream, last_id, events, process))

    def by_stream(self, before_process: int) -> list[list[WrittenChange]]:
        """Return the changes that an earlier process of the store took, those of each stream by themselves, oldest first."""
        found: dict[str, list[WrittenChange]] = defaultdict(list)
        # Copied at once: a deque that another thread appends to meanwhile cannot be iterated.
        for change in map(WrittenChange._make, list(self._changes)):
            if change.process < before_process and change not in self._forgotten:
                found[change.stream].append(change)
        return list(found.values())

    @property
    def is_full(self) -> bool:
        """Whether earlier ones are forgotten."""
        return len(self._changes) == self._changes.maxlen

    def forget(self, lost: Sequence[WrittenChange]) -> None:
        """Forget changes, so that they are not found to be lost again."""
        forgotten: set[tuple[str, bytes, int, int]] = {*self._forgotten, *lost}
        # The deque stays as it is, as the other thread appends to it.
        self._forgotten = forgotten.intersection(list(self._changes)) if forgotten else forgotten


class LossWatch:
    """Checks, whenever another process of the store answers, whether it has the acknowledged writes.

    A store that dies, and a replica that takes its place, lack the newest part of what was written: what was not on disk yet, or
    not sent to the replica. So a stream that has the newest entry of before has all of them.

    Args:
        redis: A client of the store, for this alone.
        link: The connection that the entries were written on.
        written: They.
    """

    def __init__(self, redis: Redis, link: Link, written: WrittenEntries) -> None:
        self._redis = redis
        self._link = link
        self._written = written
        self._process = link.process
        """The newest process of the store that was checked."""
        self.metrics = Counters(
            "presage_store_lost_events",
            "Acknowledged events that the store did not have any more after it was restarted or failed over, of those that this "
            "process remembers.",
            known=[()],
        )

    async def run(self) -> None:
        """Look every second until cancelled."""
        while True:
            await asyncio.sleep(_EVERY_SECONDS)
            try:
                async with asyncio.timeout(_TIMEOUT_SECONDS):
                    await self.check()
            except (RedisError, OSError, TimeoutError) as error:
                _logger.debug("the store could not be asked for lost writes; trying again: %s", error)
            except Exception:
                _logger.exception("could not check for lost writes; trying again")

    async def check(self) -> None:
        """Look once; does nothing while the same process answers.

        Raises:
            RedisError, OSError: The store cannot be asked.
        """
        process, run_id = self._link.process, self._link.run_id.decode()
        if process == self._process:
            return
        if not await self._leads_to(run_id):
            return
        streams, is_all = self._written.by_stream(process), not self._written.is_full
        lost: list[WrittenChange] = []
        for first in range(0, len(streams), _CHANGES_PER_ROUND_TRIP):
            asked = streams[first : first + _CHANGES_PER_ROUND_TRIP]
            newest = await self._are_there([changes[-1] for changes in asked])
            for changes, is_there in zip(asked, newest, strict=True):
                if not is_there:
                    lost += await self._lost_of(changes)
        self._written.forget(lost)
        self._process = process
        self._report(lost, sum(map(len, streams)), is_all=is_all)

    async def _leads_to(self, run_id: str) -> bool:
        if (await self._redis.info("server"))["run_id"] == run_id:
            return True
        await self._redis.connection_pool.disconnect()  # it leads to a former primary
        return False

    async def _lost_of(self, changes: Sequence[WrittenChange]) -> list[WrittenChange]:
        """Find the lost entries of a stream that lacks its newest one."""
        found: list[bool] = []
        for first in range(0, len(changes), _CHANGES_PER_ROUND_TRIP):
            found += await self._are_there(changes[first : first + _CHANGES_PER_ROUND_TRIP])
        removed_to = await self._removed_to(changes[0].stream)
        return [
            change
            for change, is_there in zip(changes, found, strict=True)
            if not is_there and EntryId.parse(change.last_id) > removed_to
        ]

    async def _removed_to(self, stream: str) -> EntryId:
        """Find the entry of a stream up to which missing ones were removed on purpose: streams are bounded, visitors forgotten."""
        if not await self._redis.exists(stream):
            return BEGINNING
        return removed_to(await self._redis.xinfo_stream(stream))

    async def _are_there(self, changes: Sequence[WrittenChange]) -> list[bool]:
        pipeline: Any = self._redis.pipeline(transaction=False)
        for change in changes:
            pipeline.xrange(change.stream, change.last_id, change.last_id)
        return [bool(found) for found in await pipeline.execute()]

    def _report(self, lost: Sequence[WrittenChange], looked_for: int, *, is_all: bool) -> None:
        if not lost:
            _logger.warning(
                "another process of the store answers; it has all of the last %s changes", f"{looked_for:,}"
            )
            return
        events = sum(change.events for change in lost)
        self.metrics[()].inc(events)
        since = min(EntryId.parse(change.last_id) for change in lost)
        _logger.error(
            "another process of the store answers, and %s%s acknowledged events are lost, since %s: the store had not written them "
            "to its disk, or not sent them to its replica; scores lack them",
            "" if is_all or len(lost) < looked_for else "at least ",
            f"{events:,}",
            datetime.fromtimestamp(since.unix_millis / 1e3, UTC).isoformat(timespec="milliseconds"),
        )


def removed_to(info: Mapping[str, Any]) -> EntryId:
    """Return the entry up to which missing ones were removed on purpose, from what XINFO STREAM says."""
    # Redis before 7 says neither how many there ever were nor which was removed last.
    if info.get("entries-added") == info["length"]:
        return BEGINNING
    oldest = EntryId.parse(info["first-entry"][0]) if info["first-entry"] else BEGINNING
    return max(oldest, EntryId.parse(info.get("max-deleted-entry-id", b"0-0")))


@asynccontextmanager
async def watched_losses(watch: LossWatch, registry: CollectorRegistry) -> AsyncIterator[None]:
    """Count what the store loses for as long as the context lasts."""
    registry.register(watch.metrics)
    watching = asyncio.create_task(watch.run())
    try:
        yield
    finally:
        watching.cancel()
