"""The client for code that runs in threads."""

from __future__ import annotations

import threading
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import grpc

from presage.v1 import scoring_service_pb2_grpc
from presage_client import _calls, _failures
from presage_client._checks import check_instance
from presage_client._target import full_target
from presage_client.options import ClientOptions, channel_arguments
from presage_client.types import Event, Features, Prediction, ScoreTarget, TrackOutcome, TrackResult

__all__ = ["Client"]

T = TypeVar("T")


class Client:
    """Tracks events and gets scores, blocking; one per process, shared by all threads.

    The one connection is made at first use, and so after a pre-forking web server has forked. Use ``with``, or
    ``close()`` at the end. The methods are those of AsyncClient, without the ``await``.

    Args:
        target: Where the server is: ``host``, ``host:port``, or ``dns:///name:port`` to spread calls over all addresses of a name.
            The port is 50051 unless given.
        options: How to talk to it.

    Raises:
        TypeError: An argument is of the wrong type.
        ValueError: The target is not valid.
    """

    def __init__(self, target: str, *, options: ClientOptions | None = None) -> None:
        self._target = full_target(target)
        if options is not None:
            check_instance("options", options, ClientOptions)
        self._options = options or ClientOptions()
        self._lock = threading.Lock()
        self._channel: grpc.Channel | None = None
        self._stub: scoring_service_pb2_grpc.ScoringServiceStub | None = None
        self._closed = False

    def __enter__(self) -> Self:
        """Return the client itself; nothing is sent yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connection; calls under way end with RequestCancelledError. Closing twice does nothing more."""
        with self._lock:
            self._closed = True
            if self._channel is not None:
                self._channel.close()

    def wait_until_ready(self, timeout_s: float = 10.0) -> None:
        """Wait for a connection; see AsyncClient.wait_until_ready."""
        ready = grpc.channel_ready_future(self._connected())
        try:
            ready.result(timeout_s)
        except grpc.FutureTimeoutError:
            raise _failures.not_ready(self._target, timeout_s) from None
        finally:
            ready.cancel()

    def track(
        self,
        event: Event,
        *,
        score: bool = False,
        model: str = "",
        include_features: bool = False,
        include_timings: bool = False,
        timeout_ms: float | None = None,
    ) -> TrackResult:
        """Fold an event into its visitor's state, and score it if asked; see AsyncClient.track."""
        call = _calls.track(
            event, score=score, model=model, include_features=include_features, include_timings=include_timings
        )
        return self._run(call, timeout_ms)

    def track_many(self, events: Iterable[Event], *, timeout_ms: float | None = None) -> list[TrackOutcome]:
        """Fold any number of events, in their order; see AsyncClient.track_many."""
        outcomes: list[TrackOutcome] = []
        with _failures.keep_outcomes(outcomes):
            for call in _calls.track_many(events):
                outcomes.extend(self._run(call, timeout_ms))
        return outcomes

    def score(
        self,
        user_id: str,
        *,
        session_id: str = "",
        model: str = "",
        as_of_unix_micros: int | datetime = 0,
        include_features: bool = False,
        include_timings: bool = False,
        timeout_ms: float | None = None,
    ) -> Prediction:
        """Score one visitor; see AsyncClient.score."""
        call = _calls.score(
            user_id,
            session_id=session_id,
            model=model,
            as_of_unix_micros=as_of_unix_micros,
            include_features=include_features,
            include_timings=include_timings,
        )
        return self._run(call, timeout_ms)

    def score_batch(
        self,
        targets: Iterable[str | ScoreTarget],
        *,
        model: str = "",
        as_of_unix_micros: int | datetime = 0,
        include_features: bool = False,
        timeout_ms: float | None = None,
    ) -> list[Prediction]:
        """Score any number of visitors, in their order; see AsyncClient.score_batch."""
        calls = _calls.score_batch(
            targets, model=model, as_of_unix_micros=as_of_unix_micros, include_features=include_features
        )
        return [prediction for call in calls for prediction in self._run(call, timeout_ms)]

    def score_vectors(
        self, rows: Iterable[Sequence[float]], *, model: str = "", timeout_ms: float | None = None
    ) -> list[Prediction]:
        """Score any number of your own vectors, in their order; see AsyncClient.score_vectors."""
        calls = _calls.score_vectors(rows, model=model)
        return [prediction for call in calls for prediction in self._run(call, timeout_ms)]

    def features(
        self,
        user_id: str,
        *,
        session_id: str = "",
        feature_set: str = "",
        as_of_unix_micros: int | datetime = 0,
        timeout_ms: float | None = None,
    ) -> Features:
        """Read the features that ``score`` would use, by name; see AsyncClient.features."""
        call = _calls.features(
            user_id, session_id=session_id, feature_set=feature_set, as_of_unix_micros=as_of_unix_micros
        )
        return self._run(call, timeout_ms)

    def _run(self, call: _calls.Call[T], timeout_ms: float | None) -> T:
        if timeout_ms is None:
            timeout_ms = self._options.timeout_ms
        self._connected()
        try:
            response = getattr(self._stub, call.method)(call.request, timeout=timeout_ms / 1_000)
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
                self._stub = scoring_service_pb2_grpc.ScoringServiceStub(self._channel)
            return self._channel
