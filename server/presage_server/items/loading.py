"""A catalogue's file, sent to a running server in calls of many items; what is in memory does not grow with the file."""

from __future__ import annotations

from array import array
from collections import Counter, deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from time import monotonic, sleep
from typing import Any

import grpc
import numpy as np

from presage.v1 import ranking_service_pb2 as pb
from presage.v1.ranking_service_pb2_grpc import RankingServiceStub
from presage_server.errors import ServerError
from presage_server.items.catalogue_files import CatalogueFile
from presage_server.items.catalogue_rows import item_of
from presage_server.rpc.limits import MAX_BATCH

__all__ = ["LoadError", "LoadProgress", "load_catalogue"]

_CALLS_IN_FLIGHT = 4
_TIMEOUT_SECONDS = 30.0
_RETRY_SECONDS = 60.0
_FIRST_DELAY_SECONDS = 0.1
_MAX_DELAY_SECONDS = 5.0
_MAX_CALL_BYTES = 2 << 20
_SHOWN_PER_REASON = 3
_REPEATED = frozenset(
    {grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED, grpc.StatusCode.RESOURCE_EXHAUSTED}
)


class LoadError(ServerError):
    """Expected: the server cannot be reached or rejects the calls. What was stored stays; the same command can be run again."""


@dataclass(kw_only=True, slots=True)
class LoadProgress:
    """What has become of the rows so far."""

    rows: int = 0
    stored: int = 0
    repeated: int = 0
    """Rows of items that an earlier row was of; the last one of an item holds."""
    rejected: Counter[str] = field(default_factory=Counter)
    """Rows that were not stored, by reason."""
    examples: dict[str, list[str]] = field(default_factory=dict)
    """The first few of each reason, with their lines."""

    def reject(self, line: int, reason: str) -> None:
        """Count a row that was not stored."""
        kind = reason.partition(", got")[0]
        self.rejected[kind] += 1
        shown = self.examples.setdefault(kind, [])
        if len(shown) < _SHOWN_PER_REASON:
            shown.append(f"line {line}: {reason}")


@dataclass(slots=True)
class _Call:
    items: list[pb.CatalogueItem]
    lines: list[int]
    ids: set[str]
    future: Any = None


class _Sender:
    def __init__(self, channel: grpc.Channel, progress: LoadProgress, token: str) -> None:
        self._metadata = (("authorization", f"Bearer {token}"),) if token else None
        self._stub: Any = RankingServiceStub(channel)
        self._progress = progress
        self._sent: deque[_Call] = deque()
        self._next = _Call([], [], set())
        self._bytes = 0

    def add(self, item: pb.CatalogueItem, line: int) -> None:
        size = item.ByteSize()
        is_full = len(self._next.items) == MAX_BATCH or self._bytes + size > _MAX_CALL_BYTES
        if is_full or item.item_id in self._next.ids:
            self._send()
        if any(item.item_id in call.ids for call in self._sent):
            self.finish()  # a later row must not overtake an earlier one of the same item
        self._next.items.append(item)
        self._next.lines.append(line)
        self._next.ids.add(item.item_id)
        self._bytes += size

    def finish(self) -> None:
        """Send what is left and wait for all replies."""
        self._send()
        while self._sent:
            self._take_reply()

    def _send(self) -> None:
        if not self._next.items:
            return
        while len(self._sent) >= _CALLS_IN_FLIGHT:
            self._take_reply()
        call, self._next, self._bytes = self._next, _Call([], [], set()), 0
        self._start(call)
        self._sent.append(call)

    def _start(self, call: _Call) -> None:
        call.future = self._stub.UpsertItems.future(
            pb.UpsertItemsRequest(items=call.items), timeout=_TIMEOUT_SECONDS, metadata=self._metadata
        )

    def _take_reply(self) -> None:
        call = self._sent.popleft()
        until, delay = monotonic() + _RETRY_SECONDS, _FIRST_DELAY_SECONDS
        while True:
            try:
                response = call.future.result()
            except grpc.RpcError as error:
                code = error.code()
                if code not in _REPEATED or monotonic() > until:
                    raise LoadError(f"the server answers {code.name}: {error.details()}; run the same again") from error
                sleep(delay)
                delay = min(2 * delay, _MAX_DELAY_SECONDS)
                self._start(call)  # the same changes again make no difference
            else:
                break
        self._note(call, response.results)

    def _note(self, call: _Call, results: Sequence[pb.UpsertItemResult]) -> None:
        for place, (line, result) in enumerate(zip(call.lines, results, strict=True)):
            if result.code:
                self._progress.reject(line, result.message.removeprefix(f"items[{place}]."))
            else:
                self._progress.stored += 1


def load_catalogue(
    file: CatalogueFile, channel: grpc.Channel, on_progress: Callable[[LoadProgress], None], token: str = ""
) -> LoadProgress:
    """Send all rows of a file.

    Args:
        file: Open for reading.
        channel: To a server.
        on_progress: Called after each row.
        token: What the server asks for, if it does.

    Raises:
        LoadError: The server cannot be reached, or rejects a whole call.
        CatalogueFileError: The file cannot be read to its end.
    """
    progress = LoadProgress()
    sender = _Sender(channel, progress, token)
    sent = array("q")  # 8 bytes for each row
    for row in file.rows:
        progress.rows += 1
        try:
            if row.problem:
                raise ValueError(row.problem)  # noqa: TRY301 - as a value that cannot be read
            item = item_of(row.values)
        except ValueError as error:
            progress.reject(row.line, str(error))
        else:
            sent.append(hash(item.item_id))
            sender.add(item, row.line)
        on_progress(progress)
    sender.finish()
    progress.repeated = len(sent) - len(np.unique(np.frombuffer(sent, np.int64)))
    on_progress(progress)
    return progress
