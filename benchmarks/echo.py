"""A server that answers Score at once: ``python -m benchmarks.echo --transport native``.

It has the event loop, the transport and the messages of ``presage serve``, and neither a store, a model nor features. What the echo
costs is the machine's and the transport's; what Score costs more is the project's own.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys
from typing import Any

import grpc
import uvloop

from presage.v1 import prediction_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_server.pipeline.admission import Admission
from presage_server.rpc.handlers import add_handlers
from presage_server.telemetry.interpreter import tune_interpreter
from presage_server.telemetry.metrics import Metrics
from presage_server.transport.choosing import make_server

__all__ = ["main"]


class _Echo(scoring_service_pb2_grpc.ScoringServiceServicer):
    async def Score(  # noqa: N802 - gRPC's name
        self, _request: scoring_service_pb2.ScoreRequest, _context: grpc.aio.ServicerContext[Any, Any]
    ) -> scoring_service_pb2.ScoreResponse:
        """Answer with as many bytes as the server does."""
        prediction = prediction_pb2.Prediction(score=0.25, model="conversion", model_version="2")
        return scoring_service_pb2.ScoreResponse(prediction=prediction)


def main(arguments: list[str] | None = None) -> int:
    """Answer until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.echo")
    parser.add_argument("--transport", choices=("native", "grpcio"), default="native")
    given = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given.transport))
    return 0


async def _serve(transport: str) -> None:
    told = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, told.set)
    server = make_server(transport, [("grpc.so_reuseport", 0)], metrics=Metrics(), admission=Admission(400))
    add_handlers(_Echo(), server)  # type: ignore[abstract]  # other methods answer UNIMPLEMENTED
    port = server.add_insecure_port("127.0.0.1:0")
    await server.start()
    tune_interpreter()
    print(f"echo: serving on 127.0.0.1:{port}", flush=True)
    await told.wait()
    await server.stop(None)


if __name__ == "__main__":
    sys.exit(main())
