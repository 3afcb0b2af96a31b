"""Which of the versions in a folder serve: those that aliases name, or else the highest one; and which one if that is broken."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import NamedTuple

import msgspec

from presage_export.registry import ALIASES_FILE, Aliases, is_version, version_order
from presage_server.errors import ModelError
from presage_server.models.plan import Plan, PlannedModel, VerifiedVersion

__all__ = [
    "Check",
    "ModelFolder",
    "UnverifiedError",
    "choose_model",
    "choose_models",
    "log_problems_at_start",
    "no_bundle",
]

_logger = logging.getLogger(__name__)

Check = Callable[[str, str], VerifiedVersion | str | None]
"""Looks a version up, by name and version: verified, or why it cannot be served; None while it is still being copied.

Raises UnverifiedError where it has to be verified first."""


class UnverifiedError(Exception):
    """Expected: nothing is known of a version that is wanted; verify it, and choose again."""


class ModelFolder(NamedTuple):
    """What a folder holds of one model."""

    versions: tuple[str, ...]
    """The oldest first."""
    aliases: Aliases | str
    """Or why they cannot be read."""
    history: Callable[[], tuple[Aliases, ...]] = tuple
    """Reads the aliases that held before, the newest first."""


def choose_models(
    folders: Mapping[str, ModelFolder], check: Check, current: Plan | None = None, *, project_set: str = ""
) -> Plan:
    """Choose the versions of all models.

    While a server runs, a broken version changes nothing: its model goes on serving as before. At start no version is loaded yet,
    so an earlier champion serves, or else an error is raised.

    Args:
        folders: What there is, by name.
        check: Looks versions up.
        current: What is served; None at start.
        project_set: The name of the project's feature set, of which older models may have fewer features; empty without a project.

    Raises:
        ModelError: At start: no version of a model can be served, or two models have different feature sets of one name.
    """
    models: dict[str, PlannedModel] = {}
    problems: dict[str, dict[str, str]] = {}
    served = {} if current is None else current.models
    for name, folder in folders.items():
        try:
            found, problems[name] = choose_model(name, folder, check, served.get(name))
        except UnverifiedError:
            found, problems[name] = served.get(name), {}
            if found is None:
                continue
        if found is not None:
            models[name] = found
        elif current is None:
            raise ModelError(_first_problem(name, folder, problems[name]))
    for name in served.keys() - folders.keys():
        models[name] = served[name]  # a disk that is gone for a moment changes nothing
    _resolve_sets(models, problems, served, project_set, starting=current is None)
    return Plan(models=models, problems={name: found for name, found in problems.items() if found})


def choose_model(
    name: str, folder: ModelFolder, check: Check, current: PlannedModel | None
) -> tuple[PlannedModel | None, dict[str, str]]:
    """Choose the versions of one model: what serves, None if nothing can; and the problems by version."""
    choice = _Choice(name, folder, check, current)
    return choice.make(), choice.problems


class _Choice:
    """One choice, and what was found on the way."""

    def __init__(self, name: str, folder: ModelFolder, check: Check, current: PlannedModel | None) -> None:
        self.problems: dict[str, str] = {}
        self._name, self._folder, self._check, self._current = name, folder, check, current
        self._loaded = {} if current is None else current.versions

    def make(self) -> PlannedModel | None:
        aliases = self._folder.aliases
        if isinstance(aliases, str):
            self.problems[ALIASES_FILE] = aliases
            if self._current is not None:
                return self._current
            return self._with_champion(Aliases(), self._earlier_champion())
        if not aliases.champion:
            return self._with_champion(aliases, self._highest())
        champion = self._find(aliases.champion)
        if champion is None:
            if self._current is not None:
                return self._current
            champion = self._earlier_champion()
        return self._with_champion(aliases, champion)

    def _with_champion(self, aliases: Aliases, champion: VerifiedVersion | None) -> PlannedModel | None:
        if champion is None:
            return None
        challenger, shadow, prior = (
            self._find(version) if version and version != champion.version else None
            for version in (aliases.challenger, aliases.shadow, aliases.prior)
        )
        in_effect = msgspec.structs.replace(
            aliases,
            champion=champion.version if aliases.champion else "",
            challenger=challenger.version if challenger else "",
            challenger_share=aliases.challenger_share if challenger else 0.0,
            shadow=shadow.version if shadow else "",
            prior=prior.version if prior else "",
        )
        return PlannedModel(champion=champion, challenger=challenger, shadow=shadow, prior=prior, aliases=in_effect)

    def _find(self, version: str) -> VerifiedVersion | None:
        """Find a version that can be served; one that is loaded stays so, whatever has become of its folder."""
        loaded = self._loaded.get(version)
        if version not in self._folder.versions:
            self.problems[version] = "its folder is missing" + (
                "; what was loaded of it still serves" if loaded else ""
            )
            return loaded
        found = self._check(self._name, version)
        if isinstance(found, str):
            self.problems[version] = found
            return loaded
        if found is not None and self._current is not None and found.ranks != self._current.champion.ranks:
            kinds = ("ranks items", "scores visitors") if found.ranks else ("scores visitors", "ranks items")
            self.problems[version] = f"it {kinds[0]}, but this model {kinds[1]}; give it a name of its own"
            return loaded
        return found or loaded

    def _highest(self) -> VerifiedVersion | None:
        """Find the highest version that can be served; never a lower one than serves now: only aliases can go back."""
        current = None if self._current is None else self._current.champion
        for version in self._folder.versions[::-1]:
            if current is not None and version_order(version) < version_order(current.version):
                break
            found = self._find(version)
            if found is not None:
                return found
        return current

    def _earlier_champion(self) -> VerifiedVersion | None:
        tried = set(self.problems)
        for aliases in self._folder.history():
            if not aliases.champion:
                return self._highest()
            if aliases.champion not in tried:
                tried.add(aliases.champion)
                if (found := self._find(aliases.champion)) is not None:
                    return found
        return None


def log_problems_at_start(plan: Plan) -> None:
    """Log what cannot be served, and what serves in its place."""
    for name, problems in plan.problems.items():
        champion = plan.models[name].champion.version
        for version, problem in problems.items():
            if is_version(version) and version_order(version) > version_order(champion):
                _logger.error("serving version %s of %s, because a newer one is rejected: %s", champion, name, problem)
            else:
                _logger.error("serving version %s of %s, and %s is rejected: %s", champion, name, version, problem)


def no_bundle(directory: Path) -> ModelError:
    """Make the error of a folder without bundles."""
    return ModelError(f"models: no bundle found under {directory}; expected <name>/<version>/manifest.json")


def _first_problem(name: str, folder: ModelFolder, problems: Mapping[str, str]) -> str:
    aliases = folder.aliases
    if isinstance(aliases, str):
        return aliases
    if not aliases.champion:
        return next(iter(problems.values()), f"models: {name} is still being copied; start again when it is complete")
    reason = problems.get(aliases.champion, "it is still being copied")
    return (
        f"{name}/{ALIASES_FILE}: champion: version {aliases.champion} cannot be served, and neither can an earlier one: {reason}; "
        "name another with presage models promote"
    )


def _resolve_sets(
    models: dict[str, PlannedModel],
    problems: dict[str, dict[str, str]],
    served: Mapping[str, PlannedModel],
    project_set: str,
    *,
    starting: bool,
) -> None:
    """GetFeatures finds a set by its name, so one name must not mean two sets; a project's name means the project's."""
    first: dict[str, tuple[str, str]] = {}
    # What serves already comes first, so that a new model cannot put it out.
    for name in sorted(models, key=lambda name: (models[name] != served.get(name), name)):
        champion = models[name].champion
        other = _conflict(first, name, champion, project_set)
        if other is None:
            continue
        message = (
            f"{other} and {name} have different feature sets, both called {champion.feature_set!r}; "
            "give one of them a name of its own"
        )
        if starting:
            raise ModelError(f"models: {message}")
        problems.setdefault(name, {})[champion.version] = message
        if name in served:
            models[name] = served[name]
        else:
            del models[name]
    for name, planned in models.items():
        for role, version in planned.beside_champion:
            if (other := _conflict(first, name, version, project_set)) is not None:
                problems.setdefault(name, {})[version.version] = (
                    f"its feature set differs from that of {other}, and both are called {version.feature_set!r}"
                )
                models[name] = _without(models[name], role)


def _conflict(first: dict[str, tuple[str, str]], name: str, version: VerifiedVersion, project_set: str) -> str | None:
    """Return the model that has another set of the same name, if there is one."""
    if version.ranks or (project_set and version.feature_set == project_set):
        return None  # older models have fewer of a project's features
    other, fingerprint = first.setdefault(version.feature_set, (name, version.fingerprint))
    return None if fingerprint == version.fingerprint else other


def _without(planned: PlannedModel, role: str) -> PlannedModel:
    """Leave one of the versions beside the champion out."""
    changes: dict[str, object] = {role: ""}
    if role == "challenger":
        changes["challenger_share"] = 0.0
    aliases = msgspec.structs.replace(planned.aliases, **changes)
    return msgspec.structs.replace(planned, aliases=aliases, **{role: None})
