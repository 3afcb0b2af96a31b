"""``python -m benchmarks.ways_of_grpcio``: an echo of Score with each way of grpcio, loaded in turn.

With ``--serve WAY`` it is one of the servers. The completion queue is what ``presage serve --transport grpcio`` uses; its server is
``benchmarks.echo``.
"""

from __future__ import annotations

import argparse
import asyncio
import sys
import threading
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import ExitStack
from pathlib import Path
from queue import SimpleQueue
from tempfile import TemporaryDirectory
from typing import Any

import grpc
import uvloop
from rich.console import Console
from rich.table import Table

from benchmarks.rig.calls import write_calls
from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.in_turn import load_in_turn, median_of, ratios_of
from benchmarks.rig.serving import Server, serving_process
from presage.v1 import prediction_pb2, scoring_service_pb2

__all__ = ["main"]

_SERVICE = "presage.v1.ScoringService"
_RESPONSE = scoring_service_pb2.ScoreResponse(
    prediction=prediction_pb2.Prediction(score=0.25, model="conversion", model_version="1")
).SerializeToString()
_OPTIONS = (("grpc.so_reuseport", 0),)
_ADDRESS = "127.0.0.1:0"
_THREADS = 64
_QUEUE = "completion queue, polled by one thread"
_IN_FLIGHT = (1, 16, 64)


def main(arguments: list[str] | None = None) -> int:
    """Serve, or load all ways in turn and print."""
    parser = load_options("ways_of_grpcio", rounds=5, seconds=1.0, visitors=1_000)
    parser.add_argument("--serve", choices=sorted(_WAYS), help="be this server, until a signal ends it")
    given = parser.parse_args(arguments)
    if given.serve:
        _WAYS[given.serve]()
        return 0
    return run_benchmark("ways_of_grpcio", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    commands = {way: [sys.executable, "-m", "benchmarks.ways_of_grpcio", "--serve", way] for way in _WAYS}
    commands[_QUEUE] = [sys.executable, "-m", "benchmarks.echo", "--transport", "grpcio"]
    table = Table("way", "in flight", "p50 µs", "p99 µs", "server CPU µs", "CPU, of the first way")
    figures = []
    with ExitStack() as stack, console.status("loading"):
        folder = Path(stack.enter_context(TemporaryDirectory(prefix="presage-bench-")))
        now = time.time_ns() // 1_000
        calls = write_calls("score", folder / "calls", visitors=given.visitors, now_unix_micros=now)
        servers: dict[str, Server] = {}
        for way, command in commands.items():
            address, pid = stack.enter_context(serving_process(command))
            servers[way] = Server(address, pid, pid)
        for in_flight in _IN_FLIGHT:
            costs = load_in_turn(servers, calls, in_flight, given)
            for way, rounds in costs.items():
                cost = median_of(rounds)
                ratio = median_of(ratios_of(rounds, costs[next(iter(commands))])).cpu
                table.add_row(
                    way, f"{in_flight}", f"{cost.p50:.0f}", f"{cost.p99:.0f}", f"{cost.cpu:.0f}", f"{ratio:.2f}"
                )
                figures.append({"way": way, "in_flight": in_flight, "cpu_ratio": ratio} | cost._asdict())
    console.print(table)
    write_json(given.to, figures)
    return 0


def _serve_aio() -> None:
    async def answer(_request: bytes, _context: object) -> bytes:
        return _RESPONSE

    async def serve() -> None:
        server = grpc.aio.server(options=_OPTIONS)
        server.add_registered_method_handlers(_SERVICE, _handlers(answer))
        _announce(server.add_insecure_port(_ADDRESS))
        await server.start()
        await server.wait_for_termination()

    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(serve())


def _serve_threads() -> None:
    _serve_with(lambda _request, _context: _RESPONSE)


def _serve_waiting_threads() -> None:
    """Have handlers hand their call to one thread, as a pipeline of batches needs it, and wait for it."""
    waiting: SimpleQueue[Future[bytes]] = SimpleQueue()

    def work() -> None:
        while True:
            waiting.get().set_result(_RESPONSE)

    def answer(_request: bytes, _context: object) -> bytes:
        answered: Future[bytes] = Future()
        waiting.put(answered)
        return answered.result()

    threading.Thread(target=work, daemon=True).start()
    _serve_with(answer)


def _serve_with(answer: Callable[[bytes, object], bytes]) -> None:
    server = grpc.server(ThreadPoolExecutor(_THREADS), options=_OPTIONS)
    server.add_registered_method_handlers(_SERVICE, _handlers(answer))
    port = server.add_insecure_port(_ADDRESS)
    server.start()
    _announce(port)
    server.wait_for_termination()


def _handlers(answer: Callable[..., Any]) -> dict[str, grpc.RpcMethodHandler[Any, Any]]:
    return {"Score": grpc.unary_unary_rpc_method_handler(answer)}


def _announce(port: int) -> None:
    print(f"echo: serving on 127.0.0.1:{port}", flush=True)


_WAYS: Mapping[str, Callable[[], None]] = {
    "grpc.aio": _serve_aio,
    "grpc.server, threads that answer": _serve_threads,
    "grpc.server, threads that wait for one": _serve_waiting_threads,
}

if __name__ == "__main__":
    sys.exit(main())
