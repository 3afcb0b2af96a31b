"""The service of gRPC's health protocol, which answers bytes that are no request as all others do."""

from __future__ import annotations

from typing import Any

import grpc
from grpc_health.v1 import health, health_pb2

from presage_server.rpc.rare_methods import Context, decode_or_abort

__all__ = ["add_health"]


def add_health(servicer: health.aio.HealthServicer, server: grpc.aio.Server) -> None:
    """Have a server, which has not started, serve health."""

    async def check(encoded: bytes, context: Context) -> health_pb2.HealthCheckResponse:
        return await servicer.Check(await decode_or_abort(health_pb2.HealthCheckRequest, encoded, context), context)

    async def watch(encoded: bytes, context: Context) -> None:
        await servicer.Watch(await decode_or_abort(health_pb2.HealthCheckRequest, encoded, context), context)

    write = health_pb2.HealthCheckResponse.SerializeToString
    handlers: dict[str, Any] = {
        "Check": grpc.unary_unary_rpc_method_handler(check, response_serializer=write),
        "Watch": grpc.unary_stream_rpc_method_handler(watch, response_serializer=write),
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(health.SERVICE_NAME, handlers),))
