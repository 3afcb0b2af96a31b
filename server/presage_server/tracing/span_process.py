"""``python -m presage_server.tracing.span_process`` makes OpenTelemetry spans of traced calls, outside the process that serves.

It reads frames from standard input until it ends: how far the wall clock is ahead of the monotonic one, and the calls. Its
arguments are the collector's URL, and the level and the format of log lines. Other settings of OpenTelemetry's SDK, such as
headers and certificates, it reads from the usual ``OTEL_...`` variables.
"""

from __future__ import annotations

import logging
import os
import socket
import sys
from collections.abc import Iterator
from typing import BinaryIO

import msgspec
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import BatchSpanProcessor
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from presage_server.logs import start_logging
from presage_server.telemetry.build import installed_version
from presage_server.tracing.spans import GivenTraceIds, SpanMaker
from presage_server.tracing.tracer import Ended
from presage_server.workers.helper import LENGTH_BYTES
from presage_server.workers.priority import lower_priority

__all__ = ["log_rarely", "main"]

_NICE = 10
_MAX_SPANS = 16_384
_SEND_EVERY_MS = 1_000
_QUIET_SECONDS = 60.0
_LAST_MS = 3_000
"""How long the last spans may take to be sent."""


def main() -> None:
    """Send spans until the server is gone."""
    lower_priority(_NICE)
    endpoint, level, log_format = sys.argv[1:]
    start_logging(level, log_format)
    log_rarely()
    os.environ.setdefault("OTEL_SERVICE_NAME", "presage")
    ids = GivenTraceIds()
    provider = TracerProvider(
        resource=Resource.create(
            {"service.version": installed_version(), "service.instance.id": f"{socket.gethostname()}:{os.getppid()}"}
        ),
        id_generator=ids,
        sampler=ALWAYS_ON,  # they have been chosen already
        shutdown_on_exit=False,
    )
    exporter = OTLPSpanExporter(endpoint=endpoint, insecure=endpoint.startswith("http://"))
    provider.add_span_processor(
        BatchSpanProcessor(exporter, max_queue_size=_MAX_SPANS, schedule_delay_millis=_SEND_EVERY_MS)
    )
    maker = SpanMaker(provider.get_tracer("presage", installed_version()), ids)
    for ahead_seconds, calls in _frames(sys.stdin.buffer):
        for call in calls:
            maker.make(call, ahead_seconds)
    provider.force_flush(_LAST_MS)
    os._exit(0)  # the SDK's threads may wait for a collector that is not there


def log_rarely(seconds: float = _QUIET_SECONDS) -> None:
    """Have the same complaint of the SDK logged once a minute: while a collector is away, it has one for every try."""
    logged: dict[tuple[str, int], float] = {}

    def passes(record: logging.LogRecord) -> bool:
        place = record.pathname, record.lineno
        if not record.name.startswith("opentelemetry") or record.created - logged.get(place, -seconds) >= seconds:
            logged[place] = record.created
            return True
        return False

    for handler in logging.getLogger().handlers:
        handler.addFilter(passes)


def _frames(source: BinaryIO) -> Iterator[tuple[float, list[Ended]]]:
    decoder = msgspec.msgpack.Decoder(tuple[float, list[Ended]])
    while len(length := source.read(LENGTH_BYTES)) == LENGTH_BYTES:
        yield decoder.decode(source.read(int.from_bytes(length, "big")))


if __name__ == "__main__":
    main()
