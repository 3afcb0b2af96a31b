"""A collector of traces: a real OTLP server that keeps what it is sent."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2, trace_service_pb2_grpc

from support.running_server import GENEROUS_SECONDS


@dataclass
class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    """What has been sent so far."""

    url: str = ""
    spans: list[Any] = field(default_factory=list)
    resources: list[dict[str, str]] = field(default_factory=list)
    lock: threading.Lock = field(default_factory=threading.Lock)

    def Export(self, request, _context):  # noqa: N802 - as the stub has it
        with self.lock:
            for of_resource in request.resource_spans:
                self.resources.append({pair.key: pair.value.string_value for pair in of_resource.resource.attributes})
                for of_scope in of_resource.scope_spans:
                    self.spans += of_scope.spans
        return trace_service_pb2.ExportTraceServiceResponse()

    def until(self, holds: Callable[[list[Any]], bool]) -> list[Any]:
        """Wait until the spans are as wanted; returns them."""
        until = time.monotonic() + GENEROUS_SECONDS
        while time.monotonic() < until:
            with self.lock:
                if holds(self.spans):
                    return list(self.spans)
            time.sleep(0.02)
        raise TimeoutError(f"the collector has {len(self.spans)} spans, and not those that are wanted")


@contextmanager
def collector(port: int = 0) -> Iterator[Collector]:
    """Run a collector on a port of this machine."""
    found = Collector()
    server = grpc.server(ThreadPoolExecutor(2))
    trace_service_pb2_grpc.add_TraceServiceServicer_to_server(found, server)
    found.url = f"http://127.0.0.1:{server.add_insecure_port(f'127.0.0.1:{port}')}"
    server.start()
    try:
        yield found
    finally:
        server.stop(None).wait()


def attributes(span: Any) -> dict[str, Any]:
    """Return a span's attributes as plain values."""
    return {pair.key: getattr(pair.value, pair.value.WhichOneof("value")) for pair in span.attributes}
