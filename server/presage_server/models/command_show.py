"""``presage models show`` and ``verify``: all that is known of a model, and whether it can be served."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer

from presage_server.models.command_options import Folder, Name, Project, errors_shown, find_named, folder_of, say

__all__ = ["show", "verify"]

_MAX_CHANGES = 20
_MICROS = 1_000_000


def show(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version; what serves if not given.", show_default=False)] = "",
    models: Folder = None,
    project: Project = None,
) -> None:
    """Show which versions of a model serve, all that is known of one of them, and the history of changes."""
    with errors_shown("show"):
        from presage_export.registry import AliasesError, read_aliases  # noqa: PLC0415 - the command's help is quick
        from presage_server.errors import ModelError  # noqa: PLC0415
        from presage_server.models.loading import load_any_model  # noqa: PLC0415
        from presage_server.models.project import read_project  # noqa: PLC0415

        folder = folder_of(models)
        custom = read_project(str(project)) if project else None
        versions = find_named(folder, name)
        if version and version not in versions:
            raise ModelError(f"{name}: expected one of its versions {', '.join(versions)}, got {version}")
        found: dict[str, Any] = {}
        for candidate in versions:
            try:
                found[candidate] = load_any_model(folder / name / candidate, custom)
            except ModelError as error:
                found[candidate] = str(error)
        aliases, problem = None, ""
        try:
            aliases = read_aliases(folder / name)
        except AliasesError as error:
            problem = str(error)
        good = [candidate for candidate in versions if not isinstance(found[candidate], str)]
        champion = (aliases.champion if aliases else "") or (good[-1] if good else "")
        for line in (
            *_alias_lines(name, aliases, problem, champion),
            *_version_lines(versions, found, aliases, champion),
            *_facts(folder, name, version or champion, found),
            *_change_lines(folder / name),
        ):
            say(line)
    if problem or len(good) < len(versions):
        sys.exit(2)


def verify(
    name: Annotated[str, typer.Argument(help="The model; all models if not given.", show_default=False)] = "",
    version: Annotated[str, typer.Argument(help="The version; all if not given.", show_default=False)] = "",
    models: Folder = None,
    project: Project = None,
    require_signature: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_REQUIRE_SIGNATURE",
            show_envvar=False,
            help="The file of public keys that servers are started with.",
            show_default=False,
        ),
    ] = "",
) -> None:
    """Verify bundles as a server does; exit code 2 if one cannot be served."""
    broken = 0
    with errors_shown("verify"):
        from presage_export.bundle import measure_golden  # noqa: PLC0415 - the command's help is quick
        from presage_server.errors import ModelError  # noqa: PLC0415
        from presage_server.models.loading import find_bundles, load_any_model  # noqa: PLC0415
        from presage_server.models.project import read_project  # noqa: PLC0415

        folder = folder_of(models)
        custom = read_project(str(project)) if project else None
        names = [name] if name else list(find_bundles(folder))
        paths = [folder / each / found for each in names for found in find_named(folder, each)]
        if version:
            paths = [path for path in paths if path.name == version]
        if not paths:
            wanted = f"of {name} {version} " if version else ""
            raise ModelError(f"models: no bundle found {wanted}under {folder}; expected <name>/<version>/manifest.json")
        for path in paths:
            try:
                model = load_any_model(path, custom, require_signature)
            except ModelError as error:
                broken += 1
                print(f"presage models verify: {error}", file=sys.stderr)  # noqa: T201 - the command's output
                continue
            golden = measure_golden(path, model.bundle.manifest, model.bundle.model)
            say(
                f"{model.name} {model.version}: can be served; {golden.rows} golden rows, largest difference "
                f"{golden.max_difference:.1e}"
            )
    if broken:
        sys.exit(2)


def _alias_lines(name: str, aliases: Any, problem: str, champion: str) -> Iterator[str]:
    yield f"model: {name}"
    if aliases is None:
        yield f"aliases: {problem}"
        return
    chosen = aliases.champion or (f"{champion}, the highest that can be served" if champion else "none")
    yield f"aliases, revision {aliases.revision}:"
    yield f"  champion: {chosen}"
    share = f", {aliases.challenger_share:.4g} of visitors, salt {aliases.salt}" if aliases.challenger else ""
    yield f"  challenger: {aliases.challenger or 'none'}{share}"
    yield f"  shadow: {aliases.shadow or 'none'}"
    held_out = f", for the {aliases.holdout_share:.4g} of visitors held out" if aliases.holdout_share else ""
    yield f"  prior: {aliases.prior or 'none'}{held_out}"
    yield f"  pairs logged: {aliases.pairs_share:.4g} of scores"


def _version_lines(versions: list[str], found: dict[str, Any], aliases: Any, champion: str) -> Iterator[str]:
    from presage_export.registry import roles_of  # noqa: PLC0415

    yield "versions:"
    for version in versions:
        model = found[version]
        roles = roles_of(aliases, version) if aliases else ["unknown, as the aliases are"]
        if not roles and version == champion:
            roles = ["champion"]
        state = f"cannot be served: {model}" if isinstance(model, str) else "; ".join(roles) or "available"
        yield f"  {version}: {state}"


def _facts(folder: Path, name: str, version: str, found: dict[str, Any]) -> Iterator[str]:
    from presage_export.bundle import measure_golden, missing_parts  # noqa: PLC0415

    if not version or isinstance(found.get(version, ""), str):
        return
    bundle = found[version].bundle
    manifest = bundle.manifest
    golden = measure_golden(folder / name / version, manifest, bundle.model)
    features = manifest.feature_set
    yield f"version {version}:"
    yield f"  features: {features.name} ({len(features.features)}), fingerprint {features.fingerprint}"
    yield f"  objective: {manifest.objective}"
    yield f"  golden check: {golden.rows} rows, largest difference {golden.max_difference:.1e}"
    yield from _mapping("metrics", manifest.metrics)
    yield from _mapping("training data", manifest.data)
    yield from _mapping("libraries", manifest.libraries)
    shares = sorted(manifest.shares.items(), key=lambda share: -share[1])
    yield from _mapping("importances", dict(shares))
    for missing in missing_parts(manifest):
        yield f"  missing: {missing}"


def _mapping(title: str, values: dict[str, Any]) -> Iterator[str]:
    if values:
        yield f"  {title}:"
    for name, value in values.items():
        yield f"    {name}: {f'{value:.6g}' if isinstance(value, float) else value}"


def _change_lines(folder: Path) -> Iterator[str]:
    from presage_export.registry import describe_change, read_change_log  # noqa: PLC0415

    log = read_change_log(folder)
    changes = log.changes[::-1]
    yield "changes, the newest first:" if changes else "changes: none"
    for change in changes[:_MAX_CHANGES]:
        moment = datetime.fromtimestamp(change.changed_at_unix_micros / _MICROS, UTC)
        reason = f': "{change.reason}"' if change.reason else ""
        what = describe_change(change.before, change.after) or "nothing"
        yield f"  {moment:%Y-%m-%d %H:%M:%S} UTC, {change.changed_by}, revision {change.after.revision}: {what}{reason}"
    if len(changes) > _MAX_CHANGES:
        yield f"  and {len(changes) - _MAX_CHANGES} earlier ones, in {folder / 'changes.jsonl'}"
    if log.problem:
        yield f"  {log.problem}"
