"""Tokens files, and calls of every method with a token or without."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules
from typing import Any

import grpc
from google.protobuf.descriptor import ServiceDescriptor
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import presage.v1
from presage_server.access.editing import change_tokens
from presage_server.access.tokens import digest_of, make_token
from presage_server.rpc.reflection import SERVICE_NAMES
from support.running_server import GENEROUS_SECONDS, Served

REFLECTION = "ServerReflectionInfo"


def own_services() -> Iterator[ServiceDescriptor]:
    """Return every service of the contract."""
    for module in iter_modules(presage.v1.__path__):
        if module.name.endswith("_pb2"):
            yield from import_module(f"presage.v1.{module.name}").DESCRIPTOR.services_by_name.values()


def all_methods() -> dict[str, bytes]:
    """Return the paths of all methods that a server has, each with a request that it parses."""
    described = [*own_services(), health_pb2.DESCRIPTOR.services_by_name["Health"]]
    paths = {f"/{service.full_name}/{method.name}": b"" for service in described for method in service.methods}
    asked = reflection_pb2.ServerReflectionRequest(list_services="").SerializeToString()
    return paths | {f"/{name}/{REFLECTION}": asked for name in SERVICE_NAMES}


def write_tokens(path: Path, **tokens: Any) -> None:
    """Write a tokens file: NAME="SCOPES", or NAME=(SCOPES, calls per second, burst); ``secret_of`` returns the tokens."""

    def made(name: str, given: Any) -> Any:
        scopes, rate, burst = (given, 0.0, 0) if isinstance(given, str) else given
        digest = digest_of(secret_of(name).encode()).hex()
        return make_token(name=name, scopes=scopes.split(), sha256=digest, calls_per_second=rate, burst=burst)

    change_tokens(path, lambda _: [made(name, given) for name, given in tokens.items()])


def secret_of(name: str) -> str:
    """Return the token of a name."""
    return f"secret-of-{name}"


def bearing(name: str) -> list[tuple[str, str]]:
    """Return the metadata that the token of a name is sent as."""
    return [("authorization", f"Bearer {secret_of(name)}")]


async def outcome(server: Served, path: str, request: bytes = b"", metadata: Any = ()) -> grpc.StatusCode:
    """Make a call of any method, and return what it ended with; a stream ends after its first answer."""
    if path.endswith(("/Watch", f"/{REFLECTION}")):
        return await asyncio.to_thread(_outcome_of_stream, server.address, path, request, metadata)
    try:
        await server.channel.unary_unary(path)(request, metadata=metadata, timeout=GENEROUS_SECONDS)
    except grpc.aio.AioRpcError as error:
        return error.code()
    return grpc.StatusCode.OK


def _outcome_of_stream(address: str, path: str, request: bytes, metadata: Any) -> grpc.StatusCode:
    # Not with grpc.aio: if a stream ends before its first message is written, it says INTERNAL, whatever the server said.
    with grpc.insecure_channel(address) as channel:
        call = channel.stream_stream(path)(iter([request]), metadata=metadata, timeout=GENEROUS_SECONDS)
        try:
            next(call)
        except grpc.RpcError:
            return call.code()
        call.cancel()
    return grpc.StatusCode.OK
