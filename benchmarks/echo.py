"""``python -m benchmarks.echo --transport native``: a server that answers Score at once.

It has the transport of ``presage serve``, and neither a store, a model nor features. What the echo costs is the machine's and the
transport's; what Score costs more is Presage's own.
"""

from __future__ import annotations

import argparse
import asyncio
import signal
import sys

import grpc
import uvloop

from presage.v1 import prediction_pb2, scoring_service_pb2
from presage_server.call import Call
from presage_server.telemetry.interpreter import tune_interpreter
from presage_server.transport.choosing import make_transport
from presage_server.transport.interface import ServerOptions, grpcio_options

__all__ = ["main"]

_SCORE = "/presage.v1.ScoringService/Score"
_IDLE_SECONDS = 0.5
_STOP_SECONDS = 1.0
_RESPONSE = scoring_service_pb2.ScoreResponse(
    prediction=prediction_pb2.Prediction(score=0.25, model="conversion", model_version="1")
).SerializeToString()
"""As many bytes as the server sends."""


def main(arguments: list[str] | None = None) -> int:
    """Answer until SIGTERM or SIGINT."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.echo")
    parser.add_argument("--transport", choices=("native", "grpcio"), default="native")
    given = parser.parse_args(arguments)
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner:
        runner.run(_serve(given.transport))
    return 0


async def _serve(name: str) -> None:
    stopping = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopping.set)
    options = ServerOptions(host="127.0.0.1", port=0, max_message_bytes=4 << 20)
    transport = make_transport(name, options, [_SCORE], grpc.aio.server(options=grpcio_options(options)))
    address = await transport.start(_answer)
    tune_interpreter()
    print(f"echo: serving on {address}", flush=True)
    await stopping.wait()
    await transport.stop(_STOP_SECONDS)


def _answer(calls: list[Call]) -> float:
    for call in calls:
        call.reply(_RESPONSE)
    return _IDLE_SECONDS


if __name__ == "__main__":
    sys.exit(main())
