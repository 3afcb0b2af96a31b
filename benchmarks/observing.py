"""``python -m benchmarks.observing``: what being observed costs a Score.

Two servers on stores with the same visitors, loaded in turn. One serves no metrics and traces nothing; the metrics of the other are
scraped every second, and 1 % of its calls are traced and sent to a collector. The exit code is 1 if its p99, or its processor time
for each call, is more than 3 % higher, and not by chance.
"""

from __future__ import annotations

import argparse
import sys
import threading
import urllib.request
from collections.abc import Iterator, Sequence
from contextlib import contextmanager

from rich.console import Console

from benchmarks.peers.ports import free_port
from benchmarks.rig.command import load_options, run_benchmark
from benchmarks.rig.comparisons import Comparison, compare, report
from benchmarks.rig.in_turn import load_in_turn
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.serving import Server, serving_process

__all__ = ["main"]

_IN_FLIGHT = (1, 16)
_FIGURES = ("p99", "p50", "cpu")
_SHARE = 0.01
_SCRAPE_SECONDS = 1.0

_COLLECTOR = """
import os
from concurrent.futures import ThreadPoolExecutor
import grpc
from opentelemetry.proto.collector.trace.v1 import trace_service_pb2 as pb, trace_service_pb2_grpc

os.nice(10)

class Collector(trace_service_pb2_grpc.TraceServiceServicer):
    def Export(self, request, context):
        return pb.ExportTraceServiceResponse()

server = grpc.server(ThreadPoolExecutor(1))
trace_service_pb2_grpc.add_TraceServiceServicer_to_server(Collector(), server)
port = server.add_insecure_port("127.0.0.1:0")
server.start()
print(f"collector: serving on 127.0.0.1:{port}", flush=True)
server.wait_for_termination()
"""


def main(arguments: list[str] | None = None) -> int:
    """Load both servers, and print the ratios."""
    parser = load_options("observing", rounds=15, seconds=2.0)
    parser.add_argument("--transport", nargs="+", choices=("native", "grpcio"), default=["native"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=list(_IN_FLIGHT))
    given = parser.parse_args(arguments)
    return run_benchmark("bench-observe", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    comparisons: list[Comparison] = []
    collecting = serving_process((sys.executable, "-c", _COLLECTOR))
    with open_rig(given.visitors) as rig, collecting as (collector, _), console.status("loading"):
        for transport in given.transport:
            port = free_port()
            servers = _start(rig, transport, port, collector)
            calls = rig.write_calls("score")
            with _scraped(port) as scrapes:
                for in_flight in given.in_flight:
                    costs = load_in_turn(servers, calls, in_flight, given)
                    comparisons += [
                        compare(transport, in_flight, figure, costs, base="alone", other="observed")
                        for figure in _FIGURES
                    ]
            console.print(f"{transport}: {_seen(scrapes)}", highlight=False)
    return report(
        console,
        comparisons,
        given.to,
        title="Score, with metrics scraped every second and 1 % of the calls traced, and without",
        columns=("alone", "observed"),
    )


def _start(rig: Rig, transport: str, port: int, collector: str) -> dict[str, Server]:
    """Start both servers; the metrics of the one that is observed are served on a port, and its spans sent to a collector."""
    observing = (
        *("--metrics-port", str(port)),
        *("--trace-endpoint", f"http://{collector}", "--trace-share", str(_SHARE)),
    )
    return {
        way: rig.start_presage(rig.start_store(), "--transport", transport, *flags)
        for way, flags in (("alone", ()), ("observed", observing))
    }


@contextmanager
def _scraped(port: int) -> Iterator[list[str]]:
    """Scrape a server's metrics every second for as long as the context lasts; the list has what it got."""
    scrapes: list[str] = []
    ended = threading.Event()

    def scrape() -> None:
        while not ended.wait(_SCRAPE_SECONDS):
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/metrics", timeout=10) as answer:
                scrapes.append(answer.read().decode())

    thread = threading.Thread(target=scrape, daemon=True)
    thread.start()
    try:
        yield scrapes
    finally:
        ended.set()
        thread.join()


def _seen(scrapes: Sequence[str]) -> str:
    """Say what the scrapes show, so that nobody has to believe that calls were traced.

    Raises:
        RuntimeError: They were not.
    """
    handled, traced = (
        sum(float(line.rpartition(" ")[2]) for line in scrapes[-1].splitlines() if line.startswith(start))
        for start in (
            'grpc_server_handled_total{grpc_code="OK",grpc_method="Score"}',
            'presage_traced_calls_total{outcome="queued"}',
        )
    )
    if not _SHARE / 2 < traced / handled < _SHARE * 2:
        raise RuntimeError(f"expected {_SHARE:.0%} of {handled:,.0f} calls to be traced, got {traced:,.0f}")
    return f"{len(scrapes)} scrapes, {handled:,.0f} calls, of which {traced:,.0f} were traced"


if __name__ == "__main__":
    sys.exit(main())
