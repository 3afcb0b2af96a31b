"""Calls that the transport over grpcio does not deliver: forwarded to the grpc.aio server behind it, message by message."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Sequence
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple, TypeAlias

import grpc
from grpc._cython import cygrpc  # type: ignore[attr-defined]  # the stubs leave out what is not public

from presage_server.call import Metadata
from presage_server.transport.fallback import Fallback

__all__ = ["Forwarder"]

_logger = logging.getLogger(__name__)

_ANY_SIZE = (("grpc.max_receive_message_length", -1), ("grpc.max_metadata_size", 1 << 20))
"""Of responses: how large requests may be is checked before they are forwarded."""
_STATUS_LOOKS, _STATUS_LOOK_SECONDS = 200, 0.005
_NOT_FORWARDED = "user-agent"  # the channel has its own
_UNWRITTEN = "Internal error from Core"
"""What grpc.aio says of a call whose server ended it before the request was written, as it does if it has no such method."""

_ForwardedCall: TypeAlias = "grpc.aio.StreamStreamCall[Any, Any]"


class Forwarder:
    """Forwards unary calls and streams alike, in the running event loop.

    Args:
        server: Serves them; not started yet.
    """

    def __init__(self, server: grpc.aio.Server) -> None:
        self._fallback = Fallback(server)
        self._loop = asyncio.get_running_loop()
        self._channel: grpc.aio.Channel | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self._closed = False

    async def start(self) -> Path:
        """Start the server; return the folder of its socket, which only this user can read."""
        path = await self._fallback.start()
        self._channel = grpc.aio.insecure_channel(f"unix:{path}", options=_ANY_SIZE)
        return Path(path).parent

    def take(self, call: Any, path: str, metadata: Metadata, timeout_seconds: float | None) -> None:
        """Forward a call of the completion queue; may be called in any thread.

        Args:
            call: The library's.
            path: Of its method.
            metadata: What the caller sent.
            timeout_seconds: Until the caller gives up; None: it waits.
        """
        self._loop.call_soon_threadsafe(self._begin, call, path, metadata, timeout_seconds)

    async def stop(self, grace_seconds: float) -> None:
        """Have new calls rejected, and let those in flight end within this time."""
        await self._fallback.stop(grace_seconds)

    async def close(self) -> None:
        """End what is still forwarded, and close; no operation of a call is begun after this."""
        self._closed = True
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        if self._channel is not None:
            await self._channel.close()
        self._fallback.close()

    def _begin(self, call: Any, path: str, metadata: Metadata, timeout_seconds: float | None) -> None:
        if self._closed:
            return  # it has been cancelled, and the queue takes no operation any more
        task = self._loop.create_task(self._forward(_Caller(call, self._loop), path, metadata, timeout_seconds))
        self._tasks.add(task)
        task.add_done_callback(partial(self._end, call))

    def _end(self, call: Any, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            _logger.error("a call could not be forwarded", exc_info=error)
            call.cancel(grpc.StatusCode.INTERNAL.value[0], "the call could not be forwarded; see the server's log")

    async def _forward(self, caller: _Caller, path: str, metadata: Metadata, timeout_seconds: float | None) -> None:
        assert self._channel is not None
        method: grpc.aio.StreamStreamMultiCallable[Any, Any] = self._channel.stream_stream(path)
        forwarded = tuple((key, value) for key, value in metadata if key != _NOT_FORWARDED)
        call = method(caller.messages(), timeout=timeout_seconds, metadata=forwarded)
        ended: list[_Ending] = []
        call.add_done_callback(lambda _: _note_ending(ended, call))
        closing = self._loop.create_task(caller.closed())
        closing.add_done_callback(lambda _: call.cancel())
        try:
            async for message in call:
                await caller.send(await call.initial_metadata(), cygrpc.SendMessageOperation(message, 0))
        except grpc.aio.AioRpcError:
            pass  # which status it is, the call has as well
        except asyncio.CancelledError:
            # What grpc.aio raises for the status CANCELLED, too, which is to be forwarded like any other.
            if (task := asyncio.current_task()) is not None and task.cancelling():
                raise
        finally:
            call.cancel()  # does nothing if it has ended
            closing.cancel()
        for _ in range(_STATUS_LOOKS):
            if ended and ended[0].details != _UNWRITTEN:
                break
            await asyncio.sleep(_STATUS_LOOK_SECONDS)
            ended[:] = [await _ending(call)]
        code, details, trailing_metadata = ended[0]
        await caller.send(
            await call.initial_metadata(),
            cygrpc.SendStatusFromServerOperation(trailing_metadata, code, details.encode(), 0),
        )


class _Ending(NamedTuple):
    """What a forwarded call ended with."""

    code: int
    details: str
    trailing_metadata: tuple[tuple[str, str | bytes], ...]


async def _ending(call: _ForwardedCall) -> _Ending:
    """Return it; without waiting if the call has ended."""
    trailing_metadata = tuple(await call.trailing_metadata() or ())
    return _Ending((await call.code()).value[0], await call.details() or "", trailing_metadata)


def _note_ending(ended: list[_Ending], call: _ForwardedCall) -> None:
    """Note what a call ended with, as it ends: if a message cannot be written any more, grpc.aio replaces it by its own."""
    try:
        _ending(call).send(None)
    except StopIteration as end:
        ended.append(end.value)


class _Caller:
    """The caller's side of a forwarded call."""

    def __init__(self, call: Any, loop: asyncio.AbstractEventLoop) -> None:
        self._call = call
        self._loop = loop
        self._has_initial_metadata = False

    async def messages(self) -> AsyncIterator[bytes]:
        """Receive until the caller has sent all, or has gone."""
        while (message := (await self._run(cygrpc.ReceiveMessageOperation(0)))[0].message()) is not None:
            yield message

    async def closed(self) -> None:
        """Wait until the call has ended for the caller."""
        await self._run(cygrpc.ReceiveCloseOnServerOperation(0))

    async def send(self, initial_metadata: Any, operation: Any) -> None:
        """Send a message or the status, behind the initial metadata if it has not been sent yet."""
        operations = [operation]
        if not self._has_initial_metadata:
            self._has_initial_metadata = True
            operations.insert(0, cygrpc.SendInitialMetadataOperation(tuple(initial_metadata or ()), 0))
        await self._run(*operations)

    async def _run(self, *operations: Any) -> Sequence[Any]:
        done: asyncio.Future[Sequence[Any]] = self._loop.create_future()
        if error := self._call.start_server_batch(operations, partial(self._end_batch, done)):
            raise ValueError(f"grpcio does not take {operations}: error {error}")
        return await done

    def _end_batch(self, done: asyncio.Future[Sequence[Any]], event: Any) -> None:
        """Take the event of the completion queue, in the thread that polls it."""
        self._loop.call_soon_threadsafe(_set_result, done, event.batch_operations)


def _set_result(done: asyncio.Future[Sequence[Any]], operations: Sequence[Any]) -> None:
    if not done.done():
        done.set_result(operations)
