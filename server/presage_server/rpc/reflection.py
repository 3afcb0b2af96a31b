"""Server reflection, in both versions that tools ask for. ``v1`` renames ``v1alpha`` and changes nothing else."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable
from typing import Any, Final

import grpc
from google.protobuf import descriptor_pb2, descriptor_pool
from grpc_reflection.v1alpha import reflection, reflection_pb2

from presage_server.rpc.rare_methods import Context, decode_or_abort

__all__ = ["SERVICE_NAMES", "enable_reflection"]

_ALPHA_PACKAGE: Final = reflection_pb2.DESCRIPTOR.package
_PACKAGE: Final = "grpc.reflection.v1"
_FILE: Final = "grpc/reflection/v1/reflection.proto"

SERVICE_NAMES: Final = (f"{_PACKAGE}.ServerReflection", reflection.SERVICE_NAME)
"""The full names of the two services."""


def enable_reflection(names: Iterable[str], server: grpc.aio.Server) -> None:
    """Add both reflection services to a server.

    Args:
        names: The full names of the other services that it describes.
        server: The server, which has not started.
    """
    _describe_v1()
    served = (*names, *SERVICE_NAMES)
    servicer = reflection.aio.ReflectionServicer(served)

    async def describe(
        encoded: AsyncIterator[bytes], context: Context
    ) -> AsyncIterator[reflection_pb2.ServerReflectionResponse]:
        async def requests() -> AsyncIterator[reflection_pb2.ServerReflectionRequest]:
            async for each in encoded:
                request = await decode_or_abort(reflection_pb2.ServerReflectionRequest, each, context)
                # The response holds the request. One level deeper, unknown groups may be nested more than parsers take.
                request.DiscardUnknownFields()
                yield request

        async for response in servicer.ServerReflectionInfo(requests(), context):
            yield response

    # grpcio-reflection has only v1alpha; on the wire, the messages of both are the same.
    handler: Any = grpc.stream_stream_rpc_method_handler(
        describe, response_serializer=reflection_pb2.ServerReflectionResponse.SerializeToString
    )
    methods = {"ServerReflectionInfo": handler}
    server.add_generic_rpc_handlers([grpc.method_handlers_generic_handler(name, methods) for name in SERVICE_NAMES])


def _describe_v1() -> None:
    """Make the descriptors of v1, which tools ask for when they describe every service."""
    pool = descriptor_pool.Default()
    try:
        pool.FindFileByName(_FILE)
    except KeyError:
        pool.AddSerializedFile(_v1_file().SerializeToString())


def _v1_file() -> descriptor_pb2.FileDescriptorProto:
    file = descriptor_pb2.FileDescriptorProto()
    reflection_pb2.DESCRIPTOR.CopyToProto(file)
    file.name, file.package = _FILE, _PACKAGE
    for message in file.message_type:
        for field in message.field:
            if field.type_name:
                field.type_name = _renamed(field.type_name)
    for service in file.service:
        for method in service.method:
            method.input_type, method.output_type = _renamed(method.input_type), _renamed(method.output_type)
    return file


def _renamed(type_name: str) -> str:
    return type_name.replace(f".{_ALPHA_PACKAGE}.", f".{_PACKAGE}.")
