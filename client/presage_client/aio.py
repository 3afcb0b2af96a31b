"""The client for code that runs on asyncio."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self, TypeVar

import grpc
from grpc import aio

from presage.v1 import scoring_service_pb2_grpc
from presage_client import _calls, _failures
from presage_client._checks import check_instance
from presage_client._target import full_target
from presage_client.options import ClientOptions, channel_arguments
from presage_client.types import Event, Features, Prediction, ScoreTarget, TrackOutcome, TrackResult

__all__ = ["AsyncClient"]

T = TypeVar("T")


class AsyncClient:
    """Tracks events and gets scores, on asyncio; one per process and event loop, shared by all tasks.

    The one connection is made at first use, within the running loop, and belongs to that loop. Use ``async with``, or
    ``await close()`` at the end.

    Every method raises a PresageError where the call fails, and takes ``timeout_ms``, the longest wait in milliseconds
    for each call that it makes (None: the options' value). Cancelling the task cancels the call.

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
        self._loop: asyncio.AbstractEventLoop | None = None
        self._channel: aio.Channel | None = None
        self._stub: scoring_service_pb2_grpc.ScoringServiceAsyncStub | None = None
        self._closed = False

    async def __aenter__(self) -> Self:
        """Return the client itself; nothing is sent yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls under way end with RequestCancelledError. Closing twice does nothing more."""
        self._closed = True
        if self._channel is not None:
            await self._channel.close(None)

    async def wait_until_ready(self, timeout_s: float = 10.0) -> None:
        """Wait for a connection, as at start-up, when the server may not be there yet.

        Raises:
            DeadlineExceededError: None came about within ``timeout_s`` seconds.
        """
        try:
            await asyncio.wait_for(self._connected().channel_ready(), timeout_s)
        except TimeoutError:
            raise _failures.not_ready(self._target, timeout_s) from None
        except aio.UsageError:
            raise _failures.closed(self._target) from None

    async def track(
        self,
        event: Event,
        *,
        score: bool = False,
        model: str = "",
        include_features: bool = False,
        include_timings: bool = False,
        timeout_ms: float | None = None,
    ) -> TrackResult:
        """Fold an event into its visitor's state; with ``score``, answer with a fresh prediction in the same call.

        Once this returns, every score of the visitor takes the event into account. ``model`` is the one to score with
        (empty: the server's default); ``include_features`` and ``include_timings`` say what the prediction carries.
        """
        call = _calls.track(
            event, score=score, model=model, include_features=include_features, include_timings=include_timings
        )
        return await self._run(call, timeout_ms)

    async def track_many(self, events: Iterable[Event], *, timeout_ms: float | None = None) -> list[TrackOutcome]:
        """Fold any number of events, in their order; answer what became of each, in that order.

        One bad event never fails its neighbours: look at each outcome's ``error``. The events travel in calls of at
        most 500, one after another. Where a call fails as a whole, its error is raised and no further event is sent;
        the error's ``outcomes`` are those of the events before it.
        """
        outcomes: list[TrackOutcome] = []
        with _failures.keep_outcomes(outcomes):
            for call in _calls.track_many(events):
                outcomes.extend(await self._run(call, timeout_ms))
        return outcomes

    async def score(
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
        """Score one visitor.

        ``session_id`` is the session whose features to use (empty: the most recent one that is not idle), ``model`` the
        model (empty: the server's default), ``as_of_unix_micros`` the moment to score at, in microseconds since
        1970-01-01 UTC or as a datetime with a time zone (0: now); ``include_features`` and ``include_timings`` say what the
        prediction carries.
        """
        call = _calls.score(
            user_id,
            session_id=session_id,
            model=model,
            as_of_unix_micros=as_of_unix_micros,
            include_features=include_features,
            include_timings=include_timings,
        )
        return await self._run(call, timeout_ms)

    async def score_batch(
        self,
        targets: Iterable[str | ScoreTarget],
        *,
        model: str = "",
        as_of_unix_micros: int | datetime = 0,
        include_features: bool = False,
        timeout_ms: float | None = None,
    ) -> list[Prediction]:
        """Score any number of visitors, in calls of at most 1,000; one prediction for each, in their order.

        A target is a user id, or a ScoreTarget to name the session too. The rest is as for ``score``.
        """
        calls = _calls.score_batch(
            targets, model=model, as_of_unix_micros=as_of_unix_micros, include_features=include_features
        )
        return [prediction for call in calls for prediction in await self._run(call, timeout_ms)]

    async def score_vectors(
        self, rows: Iterable[Sequence[float]], *, model: str = "", timeout_ms: float | None = None
    ) -> list[Prediction]:
        """Score any number of your own vectors, in calls of at most 1,000; one prediction for each, in their order.

        A row has one finite value for each feature of the model's feature set, in its order, and is sent as float32.
        """
        calls = _calls.score_vectors(rows, model=model)
        return [prediction for call in calls for prediction in await self._run(call, timeout_ms)]

    async def features(
        self,
        user_id: str,
        *,
        session_id: str = "",
        feature_set: str = "",
        as_of_unix_micros: int | datetime = 0,
        timeout_ms: float | None = None,
    ) -> Features:
        """Read the features that ``score`` would use: float32 values by name, in the order of the set.

        ``feature_set`` is the set (empty: that of the server's default model); the rest is as for ``score``.
        """
        call = _calls.features(
            user_id, session_id=session_id, feature_set=feature_set, as_of_unix_micros=as_of_unix_micros
        )
        return await self._run(call, timeout_ms)

    async def _run(self, call: _calls.Call[T], timeout_ms: float | None) -> T:
        if timeout_ms is None:
            timeout_ms = self._options.timeout_ms
        self._connected()
        try:
            response = await getattr(self._stub, call.method)(call.request, timeout=timeout_ms / 1_000)
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
            self._stub = scoring_service_pb2_grpc.ScoringServiceStub(self._channel)
            self._loop = loop
        elif self._loop is not loop:
            raise RuntimeError("an AsyncClient belongs to the event loop of its first call; make one for each loop")
        return self._channel
