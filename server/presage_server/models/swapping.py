"""Versions that take the place of others: prepared by one thread, put in place by the one that serves, between two batches."""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping
from concurrent.futures import CancelledError, Future
from functools import partial
from pathlib import Path
from typing import NamedTuple

from presage_export.bundle import BundleError, RankingBundle, manifest_digest, open_verified_bundle
from presage_featurizer import FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError
from presage_server.models.loading import plan_of, serve_as_planned
from presage_server.models.model import Model
from presage_server.models.plan import Plan, VerifiedVersion
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Models, Served

__all__ = ["AnyModel", "Prepared", "Swapper", "VersionFailedError", "open_versions"]

AnyModel = Model | RankingModel
Key = tuple[str, str]

_COMMIT_SECONDS = 10.0
"""How long the serving thread may take to come to the end of a batch."""


class VersionFailedError(ModelError):
    """Expected: a version that was verified cannot be loaded or run here; nothing has changed."""

    def __init__(self, name: str, version: str, reason: str) -> None:
        super().__init__(f"{name} {version}: {reason}")
        self.name, self.version, self.reason = name, version, reason


class Prepared(NamedTuple):
    """What is ready to serve."""

    plan: Plan
    scoring: Mapping[str, Served[Model]]
    ranking: Mapping[str, Served[RankingModel]]


class Swapper:
    """Prepares versions and puts them in place. For one thread at a time.

    Args:
        models: What is served.
        directory: The folder of bundles.
        custom: The features of the project that is served.
        warm_up: Runs new versions before they serve; raises VersionFailedError if one cannot.
        run_between_batches: Has the serving thread call something when it is at the end of a batch.
        keep_seconds: For how long versions that are replaced are kept: as long as calls may hold them.
        after_swap: Called by the serving thread when other versions serve; None for nothing.
    """

    def __init__(
        self,
        models: Models,
        directory: Path,
        custom: CustomFeatures | None,
        *,
        warm_up: Callable[[list[AnyModel]], None],
        run_between_batches: Callable[[Callable[[], None]], None],
        keep_seconds: float,
        after_swap: Callable[[], None] | None = None,
    ) -> None:
        self._models = models
        self._directory = directory
        self._custom = custom
        self._warm_up = warm_up
        self._run_between_batches = run_between_batches
        self._keep_seconds = keep_seconds
        self._after_swap = after_swap
        self._timers: list[threading.Timer] = []
        self._waiting: Future[None] = Future()
        """Of the newest commit."""
        self._is_over = False
        self._plan = plan_of(models)
        """What is served, but for challengers that were rolled back since."""
        self._held: set[AnyModel] = {*self._loaded().values()}
        """So that no version, not even one that is rolled back, is freed by the thread that serves."""

    def prepare(self, plan: Plan) -> Prepared:
        """Open and warm up what is not loaded yet.

        Raises:
            VersionFailedError: A version cannot be loaded or run.
        """
        loaded = self._loaded()
        opened = open_versions(plan, self._directory, self._custom, loaded)
        self._warm_up([model for key, model in opened.items() if loaded.get(key) is not model])
        return Prepared(plan, *serve_as_planned(plan, opened))

    def commit(self, prepared: Prepared) -> None:
        """Serve what was prepared, from the next batch on; return when that is so.

        Raises:
            TimeoutError: The serving thread does not come to the end of a batch, or has ended.
        """
        done = self._waiting = Future()
        self._run_between_batches(partial(self._replace, prepared, done))
        if self._is_over:
            done.cancel()
        try:
            done.result(_COMMIT_SECONDS)
        except CancelledError as error:
            raise TimeoutError("the thread that serves is ending") from error
        except TimeoutError:
            if done.cancel():
                raise
            done.result()  # it has just begun
        held, self._held = self._held, {*self._loaded().values()}
        if gone := [model for model in held if model not in self._held]:
            # When no call can hold them any more: freeing a session takes the thread that does it milliseconds.
            timer = threading.Timer(self._keep_seconds, gone.clear)
            timer.daemon = True
            timer.start()
            self._timers = [other for other in self._timers if other.is_alive()] + [timer]

    def give_up(self) -> None:
        """Have no commit wait any more for the serving thread, which has ended; from any thread."""
        self._is_over = True
        self._waiting.cancel()

    def close(self) -> None:
        """Free what was replaced at once; when no more calls come."""
        for timer in self._timers:
            timer.cancel()

    def _loaded(self) -> dict[Key, AnyModel]:
        return {
            (name, version.version): version for name, served in self._models.all.items() for version in served.versions
        }

    def _replace(self, prepared: Prepared, done: Future[None]) -> None:
        if not done.set_running_or_notify_cancel():
            return  # it took too long, and was given up
        try:
            plan, models = prepared.plan, self._models
            # What is not changed stays as it is now: the guard may have dropped its challenger.
            same = {name for name, planned in plan.models.items() if planned == self._plan.models.get(name)}
            models.replace(
                {name: models.served(name) if name in same else served for name, served in prepared.scoring.items()},
                {
                    name: models.served_ranking(name) if name in same else served
                    for name, served in prepared.ranking.items()
                },
                {name: len(plan.problems.get(name, ())) for name in plan.models},
                plan.problems,
            )
            self._plan = plan
            if self._after_swap is not None:
                self._after_swap()
        except Exception as error:  # noqa: BLE001 - it must not end the thread that serves
            done.set_exception(error)
        else:
            done.set_result(None)


def open_versions(
    plan: Plan, directory: Path, custom: CustomFeatures | None, loaded: Mapping[Key, AnyModel]
) -> dict[Key, AnyModel]:
    """Open the versions of a plan; those that are loaded with the same content stay the same objects.

    Args:
        plan: The versions, all of which were verified by another process.
        directory: The folder of bundles.
        custom: The features of the project that is served.
        loaded: What there is, by name and version.

    Returns:
        The versions of the plan, by name and version.

    Raises:
        VersionFailedError: A version cannot be loaded.
    """
    sets = [model.feature_set for model in loaded.values() if isinstance(model, Model)]
    opened: dict[Key, AnyModel] = {}
    for name, planned in plan.models.items():
        for version in planned.versions.values():
            key = name, version.version
            before = loaded.get(key)
            if before is not None and manifest_digest(before.bundle.manifest) == version.digest:
                opened[key] = before
                continue
            try:
                opened[key] = _open(name, version, directory, custom, sets)
            except ModelError as error:
                raise VersionFailedError(name, version.version, str(error)) from error
    return opened


def _open(
    name: str, version: VerifiedVersion, directory: Path, custom: CustomFeatures | None, sets: list[FeatureSet]
) -> AnyModel:
    try:
        bundle = open_verified_bundle(directory / name / version.version, version.digest)
        if isinstance(bundle, RankingBundle):
            return RankingModel(name, version.version, bundle)
        # A set that serves already has its function, which takes milliseconds to generate.
        known = next(
            (one for one in sets if one.name == version.feature_set and one.fingerprint == version.fingerprint), None
        )
        feature_set = known or FeatureSet.restore(bundle.manifest.feature_set, custom)
        return Model(name, version.version, bundle, feature_set)
    except (BundleError, FeatureSetError, TypeError) as error:
        raise ModelError(str(error)) from error
