"""What the server counts, for Prometheus."""

from __future__ import annotations

import asyncio

from prometheus_client import CollectorRegistry, Counter, Histogram, disable_created_metrics, generate_latest
from prometheus_client.exposition import CONTENT_TYPE_LATEST

__all__ = ["Metrics", "serve_metrics"]

_BUCKETS_SECONDS = (
    *(0.0001, 0.0002, 0.0003, 0.0004, 0.0005, 0.0006, 0.0008),
    *(0.001, 0.0015, 0.002, 0.003, 0.005, 0.01, 0.05, 0.1),
)


class Metrics:
    """The server's counters, in a registry of their own."""

    def __init__(self) -> None:
        disable_created_metrics()  # type: ignore[no-untyped-call]  # a second series beside each, which nobody reads
        self.registry = CollectorRegistry()
        self._handled = Counter(
            "grpc_server_handled",
            "Calls ended, by method and status.",
            ["grpc_method", "grpc_code"],
            registry=self.registry,
        )
        self._seconds = Histogram(
            "grpc_server_handling_seconds",
            "Time from the start of a handler to its end.",
            ["grpc_method"],
            buckets=_BUCKETS_SECONDS,
            registry=self.registry,
        )
        events = Counter("presage_events", "Events tracked, by outcome.", ["outcome"], registry=self.registry)
        self.events_applied = events.labels("applied")
        self.events_duplicate = events.labels("duplicate")
        self.events_refused = events.labels("refused")
        scores = Counter(
            "presage_scores", "Visitors scored, by what was known of them.", ["history"], registry=self.registry
        )
        self._scores_known = scores.labels("known")
        self._scores_cold = scores.labels("none")
        self._scores_degraded = scores.labels("unreadable")
        self.unreadable_states = Counter(
            "presage_unreadable_states", "Reads of a visitor's state that could not be decoded.", registry=self.registry
        )
        vectors = Counter(
            "presage_sampled_vectors",
            "Served vectors that were to be logged, by outcome.",
            ["outcome"],
            registry=self.registry,
        )
        self.vectors_logged = vectors.labels("logged")
        self.vectors_dropped = vectors.labels("dropped")
        self.store_conflicts = Counter(
            "presage_store_conflicts",
            "Compare-and-sets lost to another writer, and tried again.",
            registry=self.registry,
        )

    def count_call(self, method: str, code: str, seconds: float) -> None:
        """Count a call that ended."""
        self._handled.labels(method, code).inc()
        self._seconds.labels(method).observe(seconds)

    def count_score(self, *, cold_start: bool, degraded: bool) -> None:
        """Count a visitor scored."""
        if degraded:
            self._scores_degraded.inc()
        elif cold_start:
            self._scores_cold.inc()
        else:
            self._scores_known.inc()


async def serve_metrics(metrics: Metrics, host: str, port: int) -> asyncio.Server:
    """Serve the metrics over HTTP: every request gets them, whatever its path.

    On the server's own loop, because an exporter's thread would hold the interpreter for milliseconds at a bad moment; with the few
    series here, writing them takes well under one.
    """

    async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            async with asyncio.timeout(5):
                await reader.readuntil(b"\r\n\r\n")
                body = generate_latest(metrics.registry)
                head = (
                    "HTTP/1.1 200 OK",
                    f"Content-Type: {CONTENT_TYPE_LATEST}",
                    f"Content-Length: {len(body)}",
                    "Connection: close",
                    "\r\n",
                )
                writer.write("\r\n".join(head).encode() + body)
                await writer.drain()
        except (OSError, TimeoutError, asyncio.IncompleteReadError, asyncio.LimitOverrunError):
            pass
        finally:
            writer.close()

    return await asyncio.start_server(answer, host, port)
