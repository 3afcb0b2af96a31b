"""``python -m benchmarks.observing``: what being observed costs a Score.

Two servers on stores with the same visitors, loaded in turn. One serves no metrics and traces nothing; the metrics of the other are
scraped every second, and 1 % of its calls are traced and sent to a collector. The exit code is 1 if its p99, or its processor time
for each call, is more than 3 % higher, and not by chance.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from statistics import median, stdev

from rich.console import Console
from rich.table import Table

from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.in_turn import CallCost, load_in_turn, median_of, ratios_of
from benchmarks.rig.rig import open_rig
from benchmarks.rig.serving import serving_process

__all__ = ["main"]

_IN_FLIGHT = (1, 16)
_MOST = 1.03
_SHARE = 0.01
_SCRAPE_SECONDS = 1.0

_COLLECTOR = """
import os
from concurrent.futures import ThreadPoolExecutor
import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb, trace_service_pb2_grpc

os.nice(10)
calls = 0

class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        global calls
        spans = [span for resource in request.resource_spans for scope in resource.scope_spans for span in scope.spans]
        calls += sum("/" in span.name for span in spans)
        return pb.ExportTraceServiceResponse()

server = grpc.server(ThreadPoolExecutor(1))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"collector: serving on 127.0.0.1:{port}", flush=True)
try:
    server.wait_for_termination()
finally:
    pass
"""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Comparison:
    transport: str
    in_flight: int
    figure: str
    """``p99``, ``p50`` or ``cpu``, in microseconds."""
    alone: float
    """The median of the rounds."""
    observed: float
    ratio: float
    """The median of the rounds' ratios."""
    error: float
    """The standard error of their mean."""


def main(arguments: list[str] | None = None) -> int:
    """Load both servers, and print the ratios."""
    parser = load_options("observing", rounds=15, seconds=2.0)
    parser.add_argument("--transport", nargs="+", choices=("native", "grpcio"), default=["native"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-observe", lambda console: _run(given, console))
