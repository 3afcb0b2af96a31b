"""The client for code that runs in threads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from datetime import datetime
from types import TracebackType
from typing import Self

from presage_client import _calls, _explain_calls, _failures, _ranking_calls
from presage_client._blocking_connection import Connection
from presage_client._blocking_models import ModelMethods
from presage_client.catalogue import CatalogueItem, ItemReports, UpsertOutcome
from presage_client.explaining import Explanation
from presage_client.hedging import HedgingStats
from presage_client.options import ClientOptions
from presage_client.ranking import ItemFilter, RankContext, Ranking, SimilarItems
from presage_client.types import Event, Features, Prediction, ScoreTarget, TrackOutcome, TrackResult

__all__ = ["Client"]


class Client(ModelMethods):
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
        self._connection = Connection(target, options)

    def __enter__(self) -> Self:
        """Return the client itself; nothing is sent yet."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Close the client."""
        self.close()

    def close(self) -> None:
        """Close the connection; calls in flight end with RequestCancelledError. Closing twice does nothing more."""
        self._connection.close()

    @property
    def hedging(self) -> HedgingStats:
        """Counters of second attempts; all 0 without ``options.hedging``."""
        policy = self._connection.hedging
        return policy.stats if policy is not None else HedgingStats()

    def wait_until_ready(self, timeout_s: float = 10.0) -> None:
        """Wait for a connection; see AsyncClient.wait_until_ready."""
        self._connection.wait_until_ready(timeout_s)

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
        return self._connection.run(call, timeout_ms)

    def track_many(self, events: Iterable[Event], *, timeout_ms: float | None = None) -> list[TrackOutcome]:
        """Fold any number of events, in their order; see AsyncClient.track_many."""
        outcomes: list[TrackOutcome] = []
        with _failures.keep_outcomes(outcomes):
            for call in _calls.track_many(events):
                outcomes.extend(self._connection.run(call, timeout_ms))
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
        return self._connection.run(call, timeout_ms)

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
        return [prediction for call in calls for prediction in self._connection.run(call, timeout_ms)]

    def score_vectors(
        self, rows: Iterable[Sequence[float]], *, model: str = "", timeout_ms: float | None = None
    ) -> list[Prediction]:
        """Score any number of your own vectors, in their order; see AsyncClient.score_vectors."""
        calls = _calls.score_vectors(rows, model=model)
        return [prediction for call in calls for prediction in self._connection.run(call, timeout_ms)]

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
        return self._connection.run(call, timeout_ms)

    def explain(
        self,
        user_id: str,
        *,
        session_id: str = "",
        model: str = "",
        version: str = "",
        as_of_unix_micros: int | datetime = 0,
        timeout_ms: float | None = None,
    ) -> Explanation:
        """Explain the score that a visitor would get; see AsyncClient.explain."""
        call = _explain_calls.explain(
            user_id, session_id=session_id, model=model, version=version, as_of_unix_micros=as_of_unix_micros
        )
        return self._connection.run(call, timeout_ms)

    def rank(
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
        """Rank items for one visitor; see AsyncClient.rank."""
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
        return self._connection.run(call, timeout_ms)

    def next_items(
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
        """Rank what a visitor may look at next; see AsyncClient.next_items."""
        call = _ranking_calls.next_items(
            user_id, k=k, context=context, session_id=session_id, model=model, as_of_unix_micros=as_of_unix_micros
        )
        return self._connection.run(call, timeout_ms)

    def similar_items(
        self,
        item_id: str,
        *,
        k: int = 0,
        filter: ItemFilter | None = None,  # noqa: A002 - the contract's name
        model: str = "",
        timeout_ms: float | None = None,
    ) -> SimilarItems:
        """Find the items that are like one item; see AsyncClient.similar_items."""
        call = _ranking_calls.similar_items(item_id, k=k, item_filter=filter, model=model)
        return self._connection.run(call, timeout_ms)

    def list_items(self, item_ids: Sequence[str] = (), *, k: int = 0, timeout_ms: float | None = None) -> ItemReports:
        """Say what the server knows of items; see AsyncClient.list_items."""
        return self._connection.run(_ranking_calls.list_items(item_ids, k=k), timeout_ms)

    def upsert_items(self, items: Iterable[CatalogueItem], *, timeout_ms: float | None = None) -> list[UpsertOutcome]:
        """Add items to the catalogue, or change them; see AsyncClient.upsert_items."""
        calls = _ranking_calls.upsert_items(items)
        return [outcome for call in calls for outcome in self._connection.run(call, timeout_ms)]
