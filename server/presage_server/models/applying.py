"""The models of a server of one process: loaded at start, and changed as their folder says."""

from __future__ import annotations

from typing import Protocol

from prometheus_client import CollectorRegistry

from presage_featurizer.custom import CustomFeatures
from presage_server.models.defaults import keep_defaults
from presage_server.models.giving_way import giving_way
from presage_server.models.loading import load_models, plan_of
from presage_server.models.plan import Plan
from presage_server.models.reload_metrics import ReloadMetrics
from presage_server.models.reloading import ApplyError, Reloader
from presage_server.models.served import Models
from presage_server.models.swapping import Prepared, Swapper, VersionFailedError
from presage_server.models.unread import is_of_the_moment
from presage_server.models.verifying import Verifier
from presage_server.models.watching import FolderWatch
from presage_server.settings import Settings

__all__ = ["LocalReloads", "Reloads", "prepare"]


class Reloads(Protocol):
    """Who loads the models of a server and changes them."""

    def load(self, settings: Settings, custom: CustomFeatures | None) -> Models:
        """Load what is served at start; raises ModelError."""
        ...

    def start(self, swapper: Swapper) -> None:
        """Begin to change it."""
        ...

    def stop(self) -> None:
        """Begin no change any more: the server drains."""
        ...

    def close(self) -> None:
        """Change nothing any more; may be called again."""
        ...


class LocalReloads:
    """Follows the folder of models for the process that it is in, if the settings say so.

    Args:
        registry: For the metrics.
    """

    def __init__(self, registry: CollectorRegistry) -> None:
        self._registry = registry
        self._reloader: Reloader | None = None
        self._interval_seconds = 0.0
        self._stopped = False
        self._settings: Settings
        self._verifier: Verifier
        self._models: Models
        self._swapper: Swapper

    def load(self, settings: Settings, custom: CustomFeatures | None) -> Models:
        """Load what the folder says; raises ModelError."""
        self._settings, self._interval_seconds = settings, settings.reload_seconds
        if self._interval_seconds:
            metrics = ReloadMetrics()
            self._registry.register(metrics)
            self._verifier = Verifier(settings.models, custom, trusted=settings.require_signature)
            self._reloader = Reloader(
                FolderWatch(settings.models),
                self._verifier,
                self._apply,
                metrics,
                project_set="" if custom is None else custom.feature_set.name,
            )
            self._reloader.look_first()
        self._models = load_models(
            settings.models,
            settings.default_model,
            custom,
            default_ranking=settings.default_ranking_model,
            trusted=settings.require_signature,
        )
        return self._models

    def start(self, swapper: Swapper) -> None:
        """Follow the folder."""
        self._swapper = swapper
        if self._reloader is not None:
            self._verifier.open()  # now, and not beside calls
            self._reloader.begin_with(plan_of(self._models))
            self._reloader.start(self._interval_seconds)

    def stop(self) -> None:
        """Begin no change any more."""
        self._stopped = True
        if self._reloader is not None:
            self._reloader.stop()

    def close(self) -> None:
        """Stop following it."""
        if self._reloader is not None:
            self._reloader.close()

    def _apply(self, plan: Plan) -> None:
        prepared = prepare(self._swapper, plan)
        if self._stopped:
            raise ApplyError("the server is ending")  # the thread that serves may have ended
        try:
            self._swapper.commit(prepared)
        except TimeoutError as error:
            raise ApplyError("the thread that serves did not come to the end of a batch in time") from error
        keep_defaults(self._settings, plan, self._models.default_scoring_name, self._models.default_ranking_name)


def prepare(swapper: Swapper, plan: Plan) -> Prepared:
    """Prepare a plan; raises ApplyError."""
    try:
        with giving_way():
            return swapper.prepare(plan)
    except VersionFailedError as error:
        key = None if is_of_the_moment(error) else (error.name, error.version)
        raise ApplyError(error.reason if key else str(error), key) from error
    except Exception as error:
        raise ApplyError(f"it could not be prepared: {error!r}") from error
