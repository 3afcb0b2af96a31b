"""The connection of a client that runs on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import grpc
from grpc import aio

from presage_client import _failures
from presage_client._aio_hedging import send_twice
from presage_client._calls import Call, make_stubs
from presage_client._checks import check_instance
from presage_client._forking import abandon, check_fork, connected, watch_forks
from presage_client._metadata import caller
from presage_client._target import full_target
from presage_client.hedging import HedgingPolicy
from presage_client.options import ClientOptions, call_metadata, channel_arguments, hedging_arguments

__all__ = ["AsyncConnection"]

T = TypeVar("T")


class _Opened(NamedTuple):
    """What one process and event loop have of a client."""

    loop: asyncio.AbstractEventLoop
    channels: tuple[aio.Channel, ...]
    stubs: dict[str, Any]
    """What sends the calls of each method."""
    second: dict[str, Any]
    """The same, for second attempts."""


class AsyncConnection:
    """One channel, made at first use, and another for second attempts; see AsyncClient, whose arguments and errors these are."""

    def __init__(self, target: str, options: ClientOptions | None) -> None:
        self._target = full_target(target)
        if options is not None:
            check_instance("options", options, ClientOptions)
        self._options = options or ClientOptions()
        self._opened: _Opened | None = None
        self._closed = False
        self.hedging = HedgingPolicy(self._options.hedging) if self._options.hedging else None
        watch_forks(self)

    async def close(self) -> None:
        """Close the channels; calls in flight end with RequestCancelledError."""
        self._closed = True
        opened, self._opened = self._opened, None  # a closed channel that is kept harms a fork
        for channel in opened.channels if opened is not None else ():
            await channel.close(None)

    async def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the channel is connected."""
        try:
            await asyncio.wait_for(self._connect().channels[0].channel_ready(), timeout_s)
        except TimeoutError:
            raise _failures.not_ready(self._target, timeout_s) from None
        except aio.UsageError:
            raise _failures.closed(self._target) from None

    async def run(self, call: Call[T], timeout_ms: float | None) -> T:
        """Make a call, repeat it when the server says so, and return the decoded response."""
        if timeout_ms is None:
            timeout_ms = self._options.timeout_ms
        who, until = caller(), monotonic() + timeout_ms / 1_000
        metadata = (*who.metadata, *call_metadata(self._options))
        for left_rounds in reversed(range(self._options.max_attempts)):
            try:
                return call.read(await self._send(call, until - monotonic(), metadata))
            except grpc.RpcError as error:
                failure = _failures.from_rpc(error, call.method, self._target, timeout_ms, who.request_id)
                wait = _failures.wait_before_repeat(failure, until - monotonic())
                if wait is None or not left_rounds or not call.repeated:
                    raise failure from error
            await asyncio.sleep(wait)
        raise AssertionError

    async def _send(self, call: Call[T], seconds: float, metadata: Sequence[tuple[str, str]]) -> Any:
        opened = self._connect()
        send = opened.stubs[call.method]
        try:
            if call.hedged and self.hedging is not None:
                again = opened.second[call.method]
                return await send_twice(
                    send, again, call.request, seconds=seconds, metadata=metadata, policy=self.hedging
                )
            return await send(call.request, timeout=seconds, metadata=metadata)
        except asyncio.CancelledError:
            # gRPC cancels the calls of a closing channel; only a caller who was cancelled should see it as that.
            task = asyncio.current_task()
            if self._closed and task is not None and not task.cancelling():
                raise _failures.closed(self._target) from None
            raise

    def after_fork(self) -> None:
        """Start over in the child of a fork: see ``_forking``."""
        abandon(self._opened)
        self._opened = None

    def _connect(self) -> _Opened:
        """Return the channels, made at first use because they belong to the running loop."""
        loop = asyncio.get_running_loop()
        if self._closed:
            raise _failures.closed(self._target)
        if self._opened is None:
            check_fork()
            first = self._channel(channel_arguments(self._options))
            if self.hedging is None:
                self._opened = _Opened(loop, (first,), make_stubs(first), {})
            else:
                second = self._channel(hedging_arguments(self._options))
                self._opened = _Opened(loop, (first, second), make_stubs(first), make_stubs(second))
        elif self._opened.loop is not loop:
            raise RuntimeError("an AsyncClient belongs to the event loop of its first call; make one for each loop")
        return self._opened

    def _channel(self, arguments: list[tuple[str, str | int]]) -> aio.Channel:
        credentials = self._options.credentials
        channel = (
            aio.insecure_channel(self._target, options=arguments)
            if credentials is None
            else aio.secure_channel(self._target, credentials, options=arguments)
        )
        connected(channel)
        return channel
