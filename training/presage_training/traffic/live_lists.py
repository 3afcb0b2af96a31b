"""Lists from a running server, for simulated visitors: their events are tracked, and each list is a Rank."""

from __future__ import annotations

from types import TracebackType
from typing import Self

from presage_client import Client, ClientOptions, PresageError, RankContext
from presage_featurizer import MICROS, Event
from presage_training.errors import TrainingError
from presage_training.simulator.lists import ItemList, ListedItem, ListRequest
from presage_training.traffic.sending import client_event

__all__ = ["LiveLists"]

_TIMEOUT_MS = 2_000


class LiveLists:
    """A ``ListSource`` that asks a server; close it at the end.

    Args:
        target: The server, host:port.
        model: The ranking model; empty means the server's default one.
        placement: Whose rules are applied; empty means those that hold everywhere.

    Raises:
        TrainingError: From every method: a call failed.
    """

    def __init__(self, target: str, *, model: str = "", placement: str = "") -> None:
        self._client = Client(target, options=ClientOptions(timeout_ms=_TIMEOUT_MS))
        self._model = model
        self._placement = placement

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        self._client.close()

    def add(self, event: Event) -> None:
        """Track an event."""
        try:
            self._client.track(client_event(event))
        except PresageError as error:
            raise TrainingError(f"a call failed: {error}") from error

    def rank(self, request: ListRequest) -> ItemList:
        """Ask for a list, as of the moment of the request."""
        context = RankContext(
            placement=self._placement,
            budget=request.budget_micros / MICROS,
            anchor_item_id=request.anchor_item_id,
        )
        try:
            ranking = self._client.rank(
                request.user_id,
                k=request.k,
                context=context,
                session_id=request.session_id,
                model=self._model,
                as_of_unix_micros=request.unix_micros,
            )
        except PresageError as error:
            raise TrainingError(f"a call failed: {error}") from error
        return ItemList([ListedItem(item.item_id, item.propensity) for item in ranking.items], ranking.rank_id)
