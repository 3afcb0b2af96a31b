"""The connection of a client that runs on asyncio."""

from __future__ import annotations

import asyncio
from typing import Any, TypeVar

import grpc
from grpc import aio

from presage_client import _failures
from presage_client._calls import Call, make_stubs
from presage_client._checks import check_instance
from presage_client._target import full_target
from presage_client.options import ClientOptions, call_metadata, channel_arguments

__all__ = ["AsyncConnection"]

T = TypeVar("T")


class AsyncConnection:
    """One channel, made at first use; see AsyncClient, whose arguments and errors these are."""

    def __init__(self, target: str, options: ClientOptions | None) -> None:
        self._target = full_target(target)
        if options is not None:
            check_instance("options", options, ClientOptions)
        self._options = options or ClientOptions()
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: aio.Channel | None = None
        self._stubs: dict[str, Any] = {}
        self._closed = False

    async def close(self) -> None:
        """Close the channel; calls in flight end with RequestCancelledError."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close(None)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the channel is connected."""
        try:
            await asyncio.wait_for(self._connected().channel_ready(), timeout_s)
        except TimeoutError:
            raise _failures.not_ready(self._target, timeout_s) from None
        except aio.UsageError:
            raise _failures.closed(self._target) from None

    async def run(self, call: Call[T], timeout_ms: float | None) -> T:
        """Make a call, and read its answer."""
        if timeout_ms is None:
            timeout_ms = self._options.timeout_ms
        self._connected()
        metadata = call_metadata(self._options)
        try:
            response = await self._stubs[call.method](call.request, timeout=timeout_ms / 1_000, metadata=metadata)
        except grpc.RpcError as error:
            raise _failures.from_rpc(error, call.method, self._target, timeout_ms) from error
        except asyncio.CancelledError:
            # gRPC cancels the calls of a closing channel; only a caller who was cancelled should see it as that.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _failures.closed(self._target) from None
            raise
        return call.read(response)

    def _connected(self) -> aio.Channel:
        """Return the channel, made at first use because it binds to the running loop."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise _failures.closed(self._target)
        if self._channel is None:
            arguments, credentials = channel_arguments(self._options), self._options.credentials
            self._channel = (
                aio.insecure_channel(self._target, options=arguments)
                if credentials is None
                else aio.secure_channel(self._target, credentials, options=arguments)
            )
            self._stubs = make_stubs(self._channel)
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("an AsyncClient belongs to the event loop of its first call; make one for each loop")
        return self._channel
