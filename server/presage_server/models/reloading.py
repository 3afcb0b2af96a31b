"""Follows a folder of bundles while its models are served: what is new takes its place, what is broken is reported."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable

import msgspec

from presage_export.registry import version_order
from presage_server.errors import ModelError
from presage_server.models.choosing import (
    ModelFolder,
    UnverifiedError,
    choose_models,
    log_problems_at_start,
    no_bundle,
)
from presage_server.models.known import Backoff, KnownVersions
from presage_server.models.plan import Plan, VerifiedVersion
from presage_server.models.reload_metrics import ReloadMetrics
from presage_server.models.verifying import Verifier
from presage_server.models.watching import Files, FolderWatch, Key

__all__ = ["ApplyError", "Reloader"]

_logger = logging.getLogger(__name__)

_JOIN_SECONDS = 20.0


class ApplyError(Exception):
    """Expected: a plan was not carried out, by no process; what was served still is.

    Args:
        message: Why.
        key: The name and version that could not be loaded; None if none is to blame.
    """

    def __init__(self, message: str, key: Key | None = None) -> None:
        super().__init__(message)
        self.key = key


class Reloader:
    """Follows a folder, in a thread of its own once it is started.

    Args:
        watch: Looks at the folder.
        verifier: Verifies versions.
        apply: Carries a plan out, in every process or in none; raises ApplyError.
        metrics: Counts what is changed and rejected.
        project_set: The name of the project's feature set; empty without a project.
    """

    def __init__(
        self,
        watch: FolderWatch,
        verifier: Verifier,
        apply: Callable[[Plan], None],
        metrics: ReloadMetrics,
        *,
        project_set: str = "",
    ) -> None:
        self._watch = watch
        self._verifier = verifier
        self._apply = apply
        self._metrics = metrics
        self._project_set = project_set
        self._known = KnownVersions(verifier)
        self._wanted: set[Key] = set()
        self._at_start: dict[Key, Files] = {}
        self._current: Plan | None = None
        self._failed: Plan | None = None
        """The plan that could not be carried out."""
        self._backoff = Backoff()
        """Until that plan is tried again."""
        self._reported: dict[str, dict[str, str]] = {}
        self._ended = threading.Event()
        self._thread: threading.Thread | None = None

    @property
    def current(self) -> Plan | None:
        """What is served."""
        return self._current

    def choose_first(self) -> Plan:
        """Verify and choose what serves at start.

        Raises:
            ModelError: As ``choose_models`` has it.
        """
        folders = self._look_first()
        plan = self._choose(folders)
        log_problems_at_start(plan)
        self.begin_with(plan)
        return plan

    def look_first(self) -> None:
        """Note what the folder holds, before models are loaded from it; what changes after that is seen as a change."""
        self._look_first()

    def begin_with(self, plan: Plan) -> None:
        """Take over what was chosen at start."""
        self._current = plan
        self._reported = plan.problems
        for name, planned in plan.models.items():
            for version, verified in planned.versions.items():
                found = self._watch.found.get((name, version))
                if found is not None and self._known.get((name, version), found.files) is None:
                    self._known.set((name, version), found.files, verified)
        self._metrics.show(plan)

    def start(self, interval_seconds: float) -> None:
        """Follow the folder until ``close``, looking at it this often."""
        self._thread = threading.Thread(target=self._run, args=(interval_seconds,), name="presage-reload", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Begin no change any more; one that is in flight may fail without a report."""
        self._ended.set()

    def close(self) -> None:
        """Stop following."""
        self.stop()
        self._verifier.close()
        if self._thread is not None:
            self._thread.join(_JOIN_SECONDS)

    def step(self) -> None:
        """Look once, and change what is served if the folder says so.

        Raises:
            ModelError: The folder cannot be read.
        """
        assert self._current is not None
        folders = self._watch.look(self._of_interest(self._current))
        if not folders:
            raise no_bundle(self._watch.directory)
        self._verify_changed()
        for _ in range(
            1 + len(self._watch.found)
        ):  # each time one more version may turn out to be broken when it is loaded
            plan = self._choose(folders)
            self._report(plan)
            if self._ended.is_set() or plan == self._current or self._failed_lately(plan):
                return
            try:
                self._apply(plan)
            except ApplyError as error:
                if not self._note_failure(plan, error):
                    return
            else:
                self._note_change(plan)
                return

    def _run(self, interval_seconds: float) -> None:
        trouble = ""
        while not self._ended.wait(interval_seconds):
            try:
                self.step()
                if trouble:
                    _logger.warning("the folder of models can be followed again")
                trouble = ""
            except (ModelError, OSError) as error:
                if str(error) != trouble:
                    _logger.error("what is served stays as it is: %s", error)  # noqa: TRY400 - the folder's, or of the moment
                trouble = str(error)
            except Exception as error:
                if str(error) != trouble:
                    _logger.exception("models are not followed at the moment")
                trouble = str(error)

    def _look_first(self) -> dict[str, ModelFolder]:
        folders = self._watch.look()
        if not folders:
            raise no_bundle(self._watch.directory)
        self._at_start = {key: found.files for key, found in self._watch.found.items()}
        return folders

    def _choose(self, folders: dict[str, ModelFolder]) -> Plan:
        """Choose, and verify what has to be known for it, until all of it is."""
        while True:
            self._wanted.clear()
            plan = choose_models(folders, self._look_up, self._current, project_set=self._project_set)
            if not self._wanted or self._ended.is_set():
                break
            self._known.verify(sorted(self._wanted), self._watch.found)
        problems = {name: dict(found) for name, found in plan.problems.items()}
        for (name, version), problem in self._known.problems():
            if (name, version) in self._watch.found:
                problems.setdefault(name, {}).setdefault(version, problem)
        return msgspec.structs.replace(plan, problems=problems)

    def _of_interest(self, plan: Plan) -> list[Key]:
        """List the versions whose files matter whatever aliases say: those that serve, and those that are to be replaced."""
        serving = [(name, version) for name, planned in plan.models.items() for version in planned.versions]
        return serving + [key for key, _ in self._known.problems()]

    def _look_up(self, name: str, version: str) -> VerifiedVersion | str | None:
        key = name, version
        found = self._watch.found[key]
        known = self._known.get(key, found.files)
        if known is not None:
            return known
        if not found.settled:
            return None
        self._wanted.add(key)
        raise UnverifiedError

    def _verify_changed(self) -> None:
        """Verify what has appeared or changed since the start, named or not: an operator should hear of it before it is wanted."""
        changed = []
        for key, found in self._watch.found.items():
            if self._known.get(key, found.files) is not None:
                continue
            if found.stuck:
                reason = f"its copy is incomplete: it has no {found.missing}, and does not grow; copy it again"
                self._known.set(key, found.files, reason)
            elif found.settled and (self._at_start.get(key) != found.files or self._known.is_unread(key)):
                changed.append(key)
        self._known.keep(self._watch.found)
        if changed:
            self._known.verify(changed, self._watch.found)
            self._log_older(changed)

    def _log_older(self, keys: list[Key]) -> None:
        assert self._current is not None
        for name, version in keys:
            planned = self._current.models.get(name)
            if planned is None or self._known.is_broken((name, version)):
                continue
            serving = planned.champion.version
            if version_order(version) < version_order(serving) and version not in planned.versions:
                self._metrics.count_older(name)
                _logger.warning(
                    "model %s: version %s is new in the folder, but older than version %s, which still serves; "
                    "to serve it: presage models promote",
                    name,
                    version,
                    serving,
                )

    def _report(self, plan: Plan) -> None:
        """Log and count problems that were not there before."""
        for name, problems in plan.problems.items():
            for version, problem in problems.items():
                if self._reported.get(name, {}).get(version) == problem:
                    continue
                if self._known.is_unread((name, version)):
                    self._metrics.count_unreadable(name)
                    _logger.error("model %s: %s is tried again later, and changes nothing: %s", name, version, problem)
                else:
                    self._metrics.count_rejected(name)
                    _logger.error("model %s: %s is rejected, and changes nothing: %s", name, version, problem)
        self._reported = plan.problems

    def _failed_lately(self, plan: Plan) -> bool:
        return self._failed == plan and not self._backoff.is_over

    def _note_failure(self, plan: Plan, error: ApplyError) -> bool:
        """Note why a plan was not carried out; return whether to choose again, without the version to blame."""
        if self._ended.is_set():
            return False  # what serves is being taken down
        self._metrics.count_failed()
        if error.key is not None and error.key in self._watch.found:
            self._known.set(error.key, self._watch.found[error.key].files, str(error))
            return True
        if self._failed != plan:
            self._failed, self._backoff = plan, Backoff()
        seconds = self._backoff.extend()
        _logger.error("the models stay as they are, and the change is tried again in %g s: %s", seconds, error)
        return False

    def _note_change(self, plan: Plan) -> None:
        before = {} if self._current is None else self._current.models
        self._current, self._failed = plan, None
        self._metrics.show(plan)
        changed = {name: planned for name, planned in plan.models.items() if planned != before.get(name)}
        if changed:
            self._metrics.count_changed()
        for name, planned in changed.items():
            others = [f"{role} {version.version}" for role, version in planned.beside_champion]
            serving = planned.champion.version
            earlier = before[name].champion.version if name in before else ""
            _logger.info(
                "model %s: version %s %s%s%s",
                name,
                serving,
                "still serves" if earlier == serving else "serves",
                f" (before: {earlier})" if earlier not in {"", serving} else "",
                "".join(f", {other}" for other in others),
            )
