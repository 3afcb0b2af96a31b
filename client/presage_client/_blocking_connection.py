"""The connection of a client that runs in threads."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from time import monotonic
from typing import Any, NamedTuple, TypeVar

import grpc

from presage_client import _failures
from presage_client._blocking_hedging import send_twice
from presage_client._calls import Call, make_stubs
from presage_client._checks import check_instance
from presage_client._forking import abandon, check_fork, connected, watch_forks
from presage_client._metadata import caller
from presage_client._target import full_target
from presage_client.hedging import HedgingPolicy
from presage_client.options import ClientOptions, call_metadata, channel_arguments, hedging_arguments

__all__ = ["Connection"]

T = TypeVar("T")


class _Opened(NamedTuple):
    """What one process has of a client."""

    channels: tuple[grpc.Channel, ...]
    stubs: dict[str, Any]
    """What sends the calls of each method."""
    second: dict[str, Any]
    """The same, for second attempts."""


class Connection:
    """One channel, made at first use, and another for second attempts; see Client, whose arguments and errors these are."""

    def __init__(self, target: str, options: ClientOptions | None) -> None:
        self._target = full_target(target)
        if options is not None:
            check_instance("options", options, ClientOptions)
        self._options = options or ClientOptions()
        self._lock = threading.Lock()
        self._opened: _Opened | None = None
        self._closed = False
        self.hedging = HedgingPolicy(self._options.hedging) if self._options.hedging else None
        watch_forks(self)

    def close(self) -> None:
        """Close the channels; calls in flight end with RequestCancelledError."""
        with self._lock:
            self._closed = True
            opened, self._opened = self._opened, None  # a closed channel that is kept harms a fork
            for channel in opened.channels if opened is not None else ():
                channel.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the channel is connected."""
        ready = grpc.channel_ready_future(self._connect().channels[0])
        try:
            ready.result(timeout_s)
        except grpc.FutureTimeoutError:
            raise _failures.not_ready(self._target, timeout_s) from None
        finally:
            ready.cancel()

    def run(self, call: Call[T], timeout_ms: float | None) -> T:
        """Make a call, repeat it when the server says so, and return the decoded response."""
        if timeout_ms is None:
            timeout_ms = self._options.timeout_ms
        who, until = caller(), monotonic() + timeout_ms / 1_000
        metadata = (*who.metadata, *call_metadata(self._options))
        for left_rounds in reversed(range(self._options.max_attempts)):
            try:
                return call.read(self._send(call, until - monotonic(), metadata))
            except grpc.RpcError as error:
                failure = _failures.from_rpc(error, call.method, self._target, timeout_ms, who.request_id)
                wait = _failures.wait_before_repeat(failure, until - monotonic())
                if wait is None or not left_rounds or not call.repeated:
                    raise failure from error
            time.sleep(wait)
        raise AssertionError

    def _send(self, call: Call[T], seconds: float, metadata: Sequence[tuple[str, str]]) -> Any:
        opened = self._connect()
        send = opened.stubs[call.method]
        try:
            if call.hedged and self.hedging is not None:
                again = opened.second[call.method]
                return send_twice(send, again, call.request, seconds=seconds, metadata=metadata, policy=self.hedging)
            return send(call.request, timeout=seconds, metadata=metadata)
        except ValueError:
            # What gRPC says where another thread closed the client a moment ago.
            if self._closed:
                raise _failures.closed(self._target) from None
            raise

    def after_fork(self) -> None:
        """Start over in the child of a fork: see ``_forking``."""
        self._lock = threading.Lock()  # another thread of the parent may hold it
        abandon(self._opened)
        self._opened = None

    def _connect(self) -> _Opened:
        """Return the channels, opened at first use, since channels opened before a fork cannot be used after it."""
        with self._lock:
            if self._closed:
                raise _failures.closed(self._target)
            if self._opened is None:
                check_fork()
                first = self._channel(channel_arguments(self._options))
                if self.hedging is None:
                    self._opened = _Opened((first,), make_stubs(first), {})
                else:
                    second = self._channel(hedging_arguments(self._options))
                    self._opened = _Opened((first, second), make_stubs(first), make_stubs(second))
            return self._opened

    def _channel(self, arguments: list[tuple[str, str | int]]) -> grpc.Channel:
        credentials = self._options.credentials
        channel = (
            grpc.insecure_channel(self._target, options=arguments)
            if credentials is None
            else grpc.secure_channel(self._target, credentials, options=arguments)
        )
        connected(channel)
        return channel
