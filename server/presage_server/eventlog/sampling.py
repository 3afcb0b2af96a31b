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

from presage_featurizer.event_log import ServedVector, encode_served_vector
from presage_server.errors import RpcError
from presage_server.telemetry.metrics import Metrics

__all__ = ["Sampler", "VectorWriter"]

_logger = logging.getLogger(__name__)

_MOST_WAITING = 1_000
_RETRY_SECONDS = 1.0


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
                    await writer.log_vector(vector.user_id, encode_served_vector(vector))
                except RpcError as error:
                    _logger.warning("a sampled vector could not be logged: %s", error)
                    self._metrics.vectors_dropped.inc()
                    await asyncio.sleep(_RETRY_SECONDS)
                else:
                    self._metrics.vectors_logged.inc()
