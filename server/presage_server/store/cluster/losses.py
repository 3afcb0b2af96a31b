"""What a cluster lost when one of its servers was restarted or replaced."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import groupby
from operator import attrgetter
from typing import Any

from presage_featurizer.event_log import BEGINNING, PARTITIONS, EntryId, stream_key
from presage_server.store.clients import StoreClients
from presage_server.store.cluster.cluster_link import ClusterLink
from presage_server.store.written import LossWatch, WrittenChange, WrittenEntries, removed_to

__all__ = ["ClusterLossWatch"]

_PARTITION_OF = {stream_key(partition): partition for partition in range(PARTITIONS)}


class ClusterLossWatch(LossWatch):
    """As ``LossWatch``; checks all streams whenever another process of any server answers.

    Args:
        clients: Of the cluster, for this alone; used in a thread.
        link: The connections that the entries were written on.
        written: They.
    """

    def __init__(self, clients: StoreClients, link: ClusterLink, written: WrittenEntries) -> None:
        super().__init__(None, link, written)  # type: ignore[arg-type] # what asks the store is replaced below
        self._clients = clients

    async def _leads_to(self, run_id: str) -> bool:
        del run_id
        return True

    async def _are_there(self, changes: Sequence[WrittenChange]) -> list[bool]:
        return await asyncio.to_thread(self._look_for, changes)

    async def _removed_to(self, stream: str) -> EntryId:
        return await asyncio.to_thread(self._find_removed_to, stream)

    def _look_for(self, changes: Sequence[WrittenChange]) -> list[bool]:
        by_partition = {_PARTITION_OF[change.stream]: change for change in changes}
        if len(by_partition) == len(changes):

            def look(pipeline: Any, partition: int) -> None:
                change = by_partition[partition]
                pipeline.xrange(change.stream, change.last_id, change.last_id)

            replies = self._clients.each(list(by_partition), look)
            return [bool(replies[partition]) for partition in by_partition]
        found = []
        for stream, together in groupby(changes, attrgetter("stream")):
            pipeline: Any = self._clients.of_partition(_PARTITION_OF[stream]).pipeline(transaction=False)
            for change in together:
                pipeline.xrange(stream, change.last_id, change.last_id)
            found += [bool(entries) for entries in pipeline.execute()]
        return found

    def _find_removed_to(self, stream: str) -> EntryId:
        redis: Any = self._clients.of_partition(_PARTITION_OF[stream])
        return removed_to(redis.xinfo_stream(stream)) if redis.exists(stream) else BEGINNING
