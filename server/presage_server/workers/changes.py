"""A worker's part in changes of the models: it prepares what its supervisor has chosen, and serves it when all workers can."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from typing import Any

import msgspec

from presage_featurizer.custom import CustomFeatures
from presage_server.models.applying import prepare
from presage_server.models.loading import load_models, make_models
from presage_server.models.plan import Plan
from presage_server.models.reloading import ApplyError
from presage_server.models.served import Models
from presage_server.models.swapping import Prepared, Swapper, VersionFailedError, open_versions
from presage_server.settings import Settings

__all__ = ["WorkerChanges"]

_logger = logging.getLogger(__name__)


class WorkerChanges:
    """Loads the models of one worker and changes them at its supervisor's command. For the worker's event loop.

    Args:
        send: Sends a message to the supervisor.
        plan: The versions to serve first; None: those that the folder says.
    """

    def __init__(self, send: Callable[..., None], plan: Plan | None) -> None:
        self._send = send
        self._plan = plan
        self._swapper: Swapper | None = None
        self._prepared: Prepared | None = None
        self._latest = 0
        """The number of the command whose outcome is still wanted."""
        self._swapping = asyncio.Lock()
        self._working: set[asyncio.Task[None]] = set()

    def load(self, settings: Settings, custom: CustomFeatures | None) -> Models:
        """Load what the supervisor has chosen, or what the folder says if that cannot be loaded any more; raises ModelError."""
        default, default_ranking = settings.default_model, settings.default_ranking_model
        if self._plan is not None:
            try:
                opened = open_versions(self._plan, settings.models, custom, {})
            except VersionFailedError as error:
                # The others have it in memory.
                _logger.error("serving what the folder holds now, as what serves elsewhere cannot be loaded: %s", error)  # noqa: TRY400
            else:
                return make_models(self._plan, opened, custom, default, default_ranking)
        return load_models(
            settings.models,
            default,
            custom,
            default_ranking=default_ranking,
            trusted=settings.require_signature,
        )

    def start(self, swapper: Swapper) -> None:
        """Begin to obey commands."""
        self._swapper = swapper

    def stop(self) -> None:
        """Leave it to the supervisor, which begins no change while its workers drain."""

    def close(self) -> None:
        """Change nothing any more."""
        self._swapper = None

    def obey(self, message: dict[str, Any]) -> None:
        """Do what the supervisor commands: prepare, commit or abandon."""
        if message["command"] == "abandon":
            self._latest, self._prepared = 0, None
            return
        self._latest = message["number"]
        working = asyncio.create_task(self._work(message))
        self._working.add(working)
        working.add_done_callback(self._working.discard)

    async def _work(self, message: dict[str, Any]) -> None:
        number = message["number"]
        try:
            async with self._swapping:  # what the supervisor has given up may still be at work
                if message["command"] == "prepare":
                    await self._prepare(number, msgspec.convert(message["plan"], Plan))
                else:
                    await self._commit()
        except ApplyError as error:
            self._send(reply=number, problem=str(error), key=error.key)
        except TimeoutError:
            self._send(reply=number, problem="the thread that serves did not come to the end of a batch in time")
        else:
            self._send(reply=number)

    async def _prepare(self, number: int, plan: Plan) -> None:
        self._prepared = None
        if self._swapper is None:
            raise ApplyError("this worker is ending")
        prepared = await asyncio.to_thread(prepare, self._swapper, plan)
        if number != self._latest:
            raise ApplyError("it was abandoned meanwhile")
        self._prepared = prepared

    async def _commit(self) -> None:
        prepared, self._prepared = self._prepared, None
        if self._swapper is None or prepared is None:
            raise ApplyError("nothing is prepared")
        await asyncio.to_thread(self._swapper.commit, prepared)
