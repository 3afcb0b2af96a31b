"""Changes of which versions serve: a version is verified before an alias may name it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from pathlib import Path

from presage_export.bundle import BundleError, is_ranking_bundle
from presage_export.registry import Aliases, AliasesError, find_versions, read_aliases, replace_aliases
from presage_featurizer.custom import CustomFeatures
from presage_server.errors import ModelError
from presage_server.models.loading import load_any_model

__all__ = ["FindProblems", "change_aliases", "find_model", "find_serving"]

FindProblems = Callable[[str, list[str]], Mapping[str, str]]
"""Verifies versions of a model, as a server does: its name and the versions to why they cannot be served, by version."""


def find_model(directory: Path, name: str) -> list[str]:
    """Return the versions of a model, the oldest first.

    Args:
        directory: The folder of bundles, <name>/<version>/.
        name: The model's name.

    Raises:
        ModelError: The folder cannot be read, or holds no such model.
    """
    try:
        found = find_versions(directory)
    except OSError as error:
        raise ModelError(f"models: {error.filename or directory} cannot be read: {error.strerror}") from error
    if not found:
        raise ModelError(f"models: no bundle found under {directory}; expected <name>/<version>/manifest.json")
    if name not in found:
        raise ModelError(f"model: expected one of {sorted(found)}, as in {directory}, got {name[:64]!r}")
    return [path.name for path in found[name]]


def find_serving(directory: Path, name: str, custom: CustomFeatures | None = None) -> str:
    """Return the version that serves where no alias names one: the highest that can be served.

    Raises:
        ModelError: There is no such model, or none of its versions can be served.
    """
    problem: ModelError | None = None
    for version in reversed(find_model(directory, name)):
        try:
            return load_any_model(directory / name / version, custom).version
        except ModelError as error:
            problem = problem or error
    raise ModelError(f"{name}: no version can be served: {problem}")


def change_aliases(
    directory: Path,
    name: str,
    aliases: Aliases,
    find_problems: FindProblems,
    *,
    now_unix_micros: int,
    changed_by: str,
    reason: str,
    repair: bool = False,
) -> Aliases:
    """Replace the aliases of a model, if all versions that they newly name can be served and are of one kind.

    Versions that they named before are not verified again, so that a broken one cannot keep another from being dropped.

    Args:
        directory: The folder of bundles.
        name: The model.
        aliases: All aliases as they are to be; their revision is the one that the change was decided on.
        find_problems: Verifies versions.
        now_unix_micros: The moment of the change.
        changed_by: An operator's name, or the rule that decides.
        reason: Why.
        repair: Whether to replace a file that cannot be read.

    Returns:
        The aliases with the new revision.

    Raises:
        ModelError: There is no such model or version, or a version cannot be served.
        StaleAliasesError: There is a newer revision.
        AliasesError: The present file cannot be read, and is not to be repaired.
        OSError: The folder cannot be written.
    """
    present = find_model(directory, name)
    try:
        before = read_aliases(directory / name)
    except AliasesError:
        if not repair:
            raise
        before = Aliases()
    new = [version for version in aliases.versions if version not in before.versions]
    if aliases.champion != before.champion and aliases.champion in before.versions:
        new.insert(0, aliases.champion)  # what becomes the champion serves more visitors than it did
    for version in aliases.versions:
        if version in new and version not in present:
            raise ModelError(f"{name}: expected one of its versions {', '.join(present)}, got {version}")
    if problems := (find_problems(name, new) if new else {}):
        version, problem = next(iter(problems.items()))
        raise ModelError(f"{name} {version} cannot be served, so nothing was changed: {problem}")
    _check_kinds(directory / name, aliases.versions)
    return replace_aliases(
        directory / name,
        aliases,
        now_unix_micros=now_unix_micros,
        changed_by=changed_by,
        reason=reason,
        repair=repair,
    )


def _check_kinds(folder: Path, versions: Iterable[str]) -> None:
    ranks: dict[bool, str] = {}
    for version in versions:
        with suppress(BundleError):  # one that was named before may have been broken since
            ranks.setdefault(is_ranking_bundle(folder / version), version)
    if len(ranks) > 1:
        raise ModelError(
            f"{folder.name}: version {ranks[True]} ranks items and version {ranks[False]} scores visitors; give one of them a name "
            "of its own"
        )
