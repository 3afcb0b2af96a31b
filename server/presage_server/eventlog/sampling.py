"""A sample of the vectors that were served, for an audit to compare with what a replay of the event log gives.

A vector goes into the stream of its visitor's events, off the path of the call that it was served to: it waits in a short queue,
and where the store is slower than the scores come, it is dropped and counted.
"""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from collections.abc import Callable
from typing import Protocol

import msgspec

from presage_featurizer.digests import WIDTH
from presage_featurizer.state import CoreState
from presage_server.errors import RpcError
from presage_server.telemetry.metrics import Metrics

__all__ = ["Sampler", "ServedVector", "VectorWriter", "decode_vector", "encode_vector", "last_event_of"]

_logger = logging.getLogger(__name__)

_MOST_WAITING = 1_000
_RETRY_SECONDS = 1.0


class ServedVector(msgspec.Struct, array_like=True, frozen=True, gc=False, kw_only=True):
    """One vector as a model got it, and what is needed to make it again."""

    user_id: str
    session_id: str
    """As the call named it; empty for the most recent one."""
    as_of_unix_micros: int
    """The moment that it was assembled for."""
    last_event: bytes
    """Digest of the id of the last event in the state; empty for a visitor without history."""
    model: str
    model_version: str
    fingerprint: str
    """Of the model's feature set, in hex."""
    values: bytes
    """The features, float32, little-endian."""
    score: float


encode_vector: Callable[[ServedVector], bytes] = msgspec.msgpack.Encoder().encode
"""Write a vector as it goes into the event log."""

decode_vector: Callable[[bytes], ServedVector] = msgspec.msgpack.Decoder(ServedVector).decode
"""Read it again; raises msgspec.MsgspecError if it is none."""


class VectorWriter(Protocol):
    """Puts sampled vectors into the event log."""

    async def log_vector(self, user_id: str, encoded: bytes) -> None:
        """Append one to the stream of its visitor's events; raises RpcError if the store does not take it."""
        ...


class Sampler:
    """Chooses vectors by chance, and hands them to the store when there is time.

    Args:
        share: The share of scores whose vector is kept, 0 to 1.
        random: Draws a number from 0 to below 1.
        metrics: Is told how many were logged and dropped.
    """

    def __init__(self, *, share: float, random: Callable[[], float], metrics: Metrics) -> None:
        self._share = share
        self._random = random
        self._metrics = metrics
        self._waiting: deque[ServedVector] = deque()
        self._wanted = asyncio.Event()

    def draws(self) -> bool:
        """Tell whether the next vector is one of the sample."""
        return self._random() < self._share

    def offer(self, vector: ServedVector) -> None:
        """Have a vector logged soon; dropped if too many wait already."""
        if len(self._waiting) >= _MOST_WAITING:
            self._metrics.vectors_dropped.inc()
            return
        self._waiting.append(vector)
        self._wanted.set()

    async def run(self, writer: VectorWriter) -> None:
        """Log what is offered, until cancelled; a store that does not answer is tried again a second later, with the next."""
        while True:
            await self._wanted.wait()
            self._wanted.clear()
            while self._waiting:
                vector = self._waiting.popleft()
                try:
                    await writer.log_vector(vector.user_id, encode_vector(vector))
                except RpcError as error:
                    _logger.warning("a sampled vector could not be logged: %s", error)
                    self._metrics.vectors_dropped.inc()
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._metrics.vectors_logged.inc()


def last_event_of(state: CoreState | None) -> bytes:
    """Tell which event a state has seen last, by the digest of its id; empty if there is no state."""
    return b"" if state is None else state.recent_events[-WIDTH:]
