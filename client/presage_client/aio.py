"""The client for code that runs on asyncio."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from presage_client import _calls, _explain_calls, _failures, _ranking_calls
from presage_client._aio_connection import AsyncConnection
from presage_client._aio_models import AsyncModelMethods
from presage_client.catalogue import CatalogueItem, ItemReports, UpsertOutcome
from presage_client.explaining import Explanation
from presage_client.hedging import HedgingStats
from presage_client.options import ClientOptions
from presage_client.ranking import ItemFilter, RankContext, Ranking, SimilarItems
from presage_client.types import Event, Features, Prediction, ScoreTarget, TrackOutcome, TrackResult

__all__ = ["AsyncClient"]


class AsyncClient(AsyncModelMethods):
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
        self._connection = AsyncConnection(target, options)

    async def __aenter__(self) -> Self:
        """Return the client itself; nothing is sent yet."""
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        await self.close()

    async def close(self) -> None:
        """Close the connection; calls in flight end with RequestCancelledError. Closing twice does nothing more."""
        await self._connection.close()

    @property
    def hedging(self) -> HedgingStats:
        """Counters of second attempts; all 0 without ``options.hedging``."""
        policy = self._connection.hedging
        return policy.stats if policy is not None else HedgingStats()

    async def wait_until_ready(self, timeout_s: float = 10.0) -> None:
        """Wait for a connection, as at start-up, when the server may not be there yet.

        Raises:
            DeadlineExceededError: None came about within ``timeout_s`` seconds.
        """
        await self._connection.wait_until_ready(timeout_s)

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
        return await self._connection.run(call, timeout_ms)

    async def track_many(self, events: Iterable[Event], *, timeout_ms: float | None = None) -> list[TrackOutcome]:
        """Fold any number of events, in their order; answer what became of each, in that order.

        One bad event never fails its neighbours: look at each outcome's ``error``. The events travel in calls of at
        most 500, one after another. Where a call fails as a whole, its error is raised and no further event is sent;
        the error's ``outcomes`` are those of the events before it.
        """
        outcomes: list[TrackOutcome] = []
        with _failures.keep_outcomes(outcomes):
            for call in _calls.track_many(events):
                outcomes.extend(await self._connection.run(call, timeout_ms))
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
        return await self._connection.run(call, timeout_ms)

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
        return [prediction for call in calls for prediction in await self._connection.run(call, timeout_ms)]

    async def score_vectors(
        self, rows: Iterable[Sequence[float]], *, model: str = "", timeout_ms: float | None = None
    ) -> list[Prediction]:
        """Score any number of your own vectors, in calls of at most 1,000; one prediction for each, in their order.

        A row has one finite value for each feature of the model's feature set, in its order, and is sent as float32.
        """
        calls = _calls.score_vectors(rows, model=model)
        return [prediction for call in calls for prediction in await self._connection.run(call, timeout_ms)]

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
        return await self._connection.run(call, timeout_ms)

    async def explain(
        self,
        user_id: str,
        *,
        session_id: str = "",
        model: str = "",
        version: str = "",
        as_of_unix_micros: int | datetime = 0,
        timeout_ms: float | None = None,
    ) -> Explanation:
        """Explain the score that a visitor would get: what each feature adds to the model's margin.

        The contributions are exact Shapley values; with ``base_margin`` they add up to ``margin``. ``version`` is the one to
        explain (empty: the one that would serve this visitor); the rest is as for ``score``. A model whose bundle lacks what
        explanations need raises UnavailableError with the code FAILED_PRECONDITION: train or export it again.
        """
        call = _explain_calls.explain(
            user_id, session_id=session_id, model=model, version=version, as_of_unix_micros=as_of_unix_micros
        )
        return await self._connection.run(call, timeout_ms)

    async def rank(
        self,
        user_id: str,
        *,
        candidate_ids: Sequence[str] = (),
        k: int = 0,
        context: RankContext | None = None,
        session_id: str = "",
        model: str = "",
        as_of_unix_micros: int | datetime = 0,
        include_features: bool = False,
        include_timings: bool = False,
        preview: bool = False,
        timeout_ms: float | None = None,
    ) -> Ranking:
        """Rank items for one visitor: the ``candidate_ids``, each once, or what Presage finds where there are none.

        ``k`` is how many items come back, at most 1,000 (0: 20, or all candidates if there are fewer); ``context`` says where and
        for what the list is shown. ``session_id``, ``model``, ``as_of_unix_micros`` and the rest are as for ``score``. The ranking
        is no impression: track its ``impression`` once the visitor saw it. With ``preview``, for people and tools that only look,
        the server does not count it as a ranking, nor log it.
        """
        call = _ranking_calls.rank(
            user_id,
            candidate_ids=candidate_ids,
            k=k,
            context=context,
            session_id=session_id,
            model=model,
            as_of_unix_micros=as_of_unix_micros,
            include_features=include_features,
            include_timings=include_timings,
            preview=preview,
        )
        return await self._connection.run(call, timeout_ms)

    async def next_items(
        self,
        user_id: str,
        *,
        k: int = 0,
        context: RankContext | None = None,
        session_id: str = "",
        model: str = "",
        as_of_unix_micros: int | datetime = 0,
        timeout_ms: float | None = None,
    ) -> Ranking:
        """Rank what a visitor may look at next, going by the session, whose current item is left out.

        The arguments are as for ``rank``; without ``k``, the list has 20 items.
        """
        call = _ranking_calls.next_items(
            user_id, k=k, context=context, session_id=session_id, model=model, as_of_unix_micros=as_of_unix_micros
        )
        return await self._connection.run(call, timeout_ms)

    async def similar_items(
        self,
        item_id: str,
        *,
        k: int = 0,
        filter: ItemFilter | None = None,  # noqa: A002 - the contract's name
        model: str = "",
        timeout_ms: float | None = None,
    ) -> SimilarItems:
        """Find the items that are like one item, or are seen and bought with it; the same for every visitor.

        ``k`` is how many (0: 20), ``filter`` what they must meet, ``model`` whose tables are read (empty: the server's default).
        """
        call = _ranking_calls.similar_items(item_id, k=k, item_filter=filter, model=model)
        return await self._connection.run(call, timeout_ms)

    async def list_items(
        self, item_ids: Sequence[str] = (), *, k: int = 0, timeout_ms: float | None = None
    ) -> ItemReports:
        """Say what the server knows of items and how often they were counted, for people and tools.

        Of those that are named, at most 1,000; or of the ``k`` most popular ones (0: 50, at most 200).
        """
        return await self._connection.run(_ranking_calls.list_items(item_ids, k=k), timeout_ms)

    async def upsert_items(
        self, items: Iterable[CatalogueItem], *, timeout_ms: float | None = None
    ) -> list[UpsertOutcome]:
        """Add any number of items to the catalogue, or change what it holds of them; say what became of each, in their order.

        Only the fields that are set change. One bad item never fails its neighbours: look at each outcome's ``error``. The items
        travel in calls of at most 1,000; where a call fails as a whole, its error is raised, and the same items can be sent again.
        """
        calls = _ranking_calls.upsert_items(items)
        return [outcome for call in calls for outcome in await self._connection.run(call, timeout_ms)]
