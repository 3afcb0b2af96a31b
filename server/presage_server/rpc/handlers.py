"""The scoring service's handlers for gRPC, which unlike the generated ones let bytes that are no request come to the call frame."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

import grpc
from google.protobuf.message import DecodeError, Message
from google.protobuf.message_factory import GetMessageClass

from presage.v1 import scoring_service_pb2, scoring_service_pb2_grpc

__all__ = ["SERVICE_NAME", "add_handlers"]

_SERVICE = scoring_service_pb2.DESCRIPTOR.services_by_name["ScoringService"]

SERVICE_NAME = _SERVICE.full_name
"""What the service is called on the wire."""

M = TypeVar("M", bound=Message)


def add_handlers(servicer: scoring_service_pb2_grpc.ScoringServiceServicer, server: grpc.aio.Server) -> None:
    """Have a server answer calls of the service; a handler gets a DecodeError in place of a request that cannot be read."""
    handlers = {
        method.name: grpc.unary_unary_rpc_method_handler(
            getattr(servicer, method.name),
            request_deserializer=_reader(GetMessageClass(method.input_type)),
            response_serializer=GetMessageClass(method.output_type).SerializeToString,
        )
        for method in _SERVICE.methods
    }
    server.add_generic_rpc_handlers((grpc.method_handlers_generic_handler(SERVICE_NAME, handlers),))
    server.add_registered_method_handlers(SERVICE_NAME, handlers)


def _reader(message_class: type[M]) -> Callable[[bytes], M | DecodeError]:
    def read(data: bytes) -> M | DecodeError:
        try:
            return message_class.FromString(data)
        except DecodeError:
            return DecodeError(f"expected a {message_class.DESCRIPTOR.full_name}, got {len(data)} bytes that are none")

    return read
