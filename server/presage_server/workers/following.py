"""The supervisor's part in changes of the models: it follows their folder, once for all workers."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError

from prometheus_client import CollectorRegistry

from presage_featurizer.custom import CustomFeatures
from presage_server.models.defaults import keep_defaults
from presage_server.models.plan import Plan
from presage_server.models.reload_metrics import ReloadMetrics
from presage_server.models.reloading import ApplyError, Reloader
from presage_server.models.verifying import Verifier
from presage_server.models.watching import FolderWatch
from presage_server.settings import Settings

__all__ = ["ModelFollower"]


class ModelFollower:
    """Follows the folder of models, if the settings say so. For the supervisor's event loop.

    Args:
        settings: Of the server.
        custom: The features of the project that the settings name.
        registry: For the metrics.
    """

    def __init__(self, settings: Settings, custom: CustomFeatures | None, registry: CollectorRegistry) -> None:
        self._settings, self._interval_seconds = settings, settings.reload_seconds
        self._loop = asyncio.get_running_loop()
        self._of_each: Settings
        self._change: Callable[[Plan], Awaitable[None]]
        self._changing: asyncio.Task[None] | None = None
        self._stopped = False
        metrics = ReloadMetrics()
        self._reloader = Reloader(
            FolderWatch(settings.models),
            Verifier(settings.models, custom, trusted=settings.require_signature),
            self._apply,
            metrics,
            project_set="" if custom is None else custom.feature_set.name,
        )
        if self._interval_seconds:
            registry.register(metrics)

    async def choose(self) -> Plan | None:
        """Choose what all workers serve at first; None if each of them is to choose.

        Raises:
            ModelError: Nothing can be served.
        """
        return await asyncio.to_thread(self._reloader.choose_first) if self._interval_seconds else None

    def follow(self, change: Callable[[Plan], Awaitable[None]], of_each: Settings) -> None:
        """Begin to follow the folder.

        Args:
            change: Has all workers serve a plan; raises ApplyError.
            of_each: The settings of each worker, with the defaults that all have.
        """
        self._change, self._of_each = change, of_each
        if self._interval_seconds:
            self._reloader.start(self._interval_seconds)

    def stop(self) -> None:
        """Begin no change any more, and give one up that is being made."""
        self._stopped = True
        self._reloader.stop()
        if self._changing is not None:
            self._changing.cancel()

    async def close(self) -> None:
        """Stop following it."""
        self.stop()
        await asyncio.to_thread(self._reloader.close)

    def _apply(self, plan: Plan) -> None:
        try:
            asyncio.run_coroutine_threadsafe(self._make_change(plan), self._loop).result()
        except CancelledError as error:
            raise ApplyError("the server is ending") from error
        keep_defaults(self._settings, plan, self._of_each.default_model, self._of_each.default_ranking_model)

    async def _make_change(self, plan: Plan) -> None:
        if self._stopped:
            raise ApplyError("the server is ending")
        self._changing = asyncio.current_task()
        try:
            await self._change(plan)
        finally:
            self._changing = None
