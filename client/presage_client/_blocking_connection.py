"""The connection of a client that runs in threads."""

from __future__ import annotations

import threading
from typing import Any, TypeVar

import grpc

from presage_client import _failures
from presage_client._calls import Call, make_stubs
from presage_client._checks import check_instance
from presage_client._target import full_target
from presage_client.options import ClientOptions, call_metadata, channel_arguments

__all__ = ["Connection"]

T = TypeVar("T")


class Connection:
    """One channel, made at first use; see Client, whose arguments and errors these are."""

    def __init__(self, target: str, options: ClientOptions | None) -> None:
        self._target = full_target(target)
        if options is not None:
            check_instance("options", options, ClientOptions)
        self._options = options or ClientOptions()
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._stubs: dict[str, Any] = {}
        self._closed = False

    def close(self) -> None:
        """Close the channel; calls in flight end with RequestCancelledError."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                self._channel.close()

    def wait_until_ready(self, timeout_s: float) -> None:
        """Wait until the channel is connected."""
        ready = grpc.channel_ready_future(self._connected())
        try:
            ready.result(timeout_s)
        except grpc.FutureTimeoutError:
            raise _failures.not_ready(self._target, timeout_s) from None
        finally:
            ready.cancel()

    def run(self, call: Call[T], timeout_ms: float | None) -> T:
        """Make a call, and read its answer."""
        if timeout_ms is None:
            timeout_ms = self._options.timeout_ms
        self._connected()
        metadata = call_metadata(self._options)
        try:
            response = self._stubs[call.method](call.request, timeout=timeout_ms / 1_000, metadata=metadata)
        except grpc.RpcError as error:
            raise _failures.from_rpc(error, call.method, self._target, timeout_ms) from error
        except ValueError:
            # What gRPC says where another thread closed the client a moment ago.
            if self._closed:
                raise _failures.closed(self._target) from None
            raise
        return call.read(response)

    def _connected(self) -> grpc.Channel:
        """Return the channel, made at first use because a channel does not survive a fork."""
        with self._lock:
            if self._closed:
                raise _failures.closed(self._target)
            if self._channel is None:
                arguments, credentials = channel_arguments(self._options), self._options.credentials
                self._channel = (
                    grpc.insecure_channel(self._target, options=arguments)
                    if credentials is None
                    else grpc.secure_channel(self._target, credentials, options=arguments)
                )
                self._stubs = make_stubs(self._channel)
            return self._channel
