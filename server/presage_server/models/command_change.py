"""``presage models promote``, ``rollback``, ``split`` and ``shadow``: which versions serve which visitors."""

from __future__ import annotations

import secrets
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Annotated, Any

import typer

from presage_server.clock import system_clock
from presage_server.models.command_options import (
    By,
    Folder,
    Name,
    Project,
    Reason,
    errors_shown,
    find_named,
    folder_to_change,
    operator,
    say,
)

__all__ = ["promote", "rollback", "shadow", "split"]

_SALT_BYTES = 8

_Version = Annotated[str, typer.Argument(help="The version, as the folder is called.", show_default=False)]


def promote(
    name: Name,
    version: Annotated[str, typer.Argument(help="The version; the challenger if not given.", show_default=False)] = "",
    *,
    models: Folder = None,
    project: Project = None,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Make the challenger, or a version, the champion: which serves all visitors that no other version serves.

    The version is verified first; if it cannot be served, nothing changes, and the exit code is 2.
    """
    with _working("promote", name, models, project, by, reason) as work:
        from presage_export.registry import promote as promoted  # noqa: PLC0415 - the command's help is quick

        work.change(promoted(work.present(), version))


def split(
    name: Name,
    version: _Version = "",
    share: Annotated[
        float | None, typer.Argument(help="The share of visitors, 0 to 1; 0 only scores beside the champion.")
    ] = None,
    *,
    off: Annotated[bool, typer.Option("--off", help="End the experiment: the champion serves all.")] = False,
    models: Folder = None,
    project: Project = None,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Try a version on a share of the visitors, as the challenger. A visitor stays on one version.

    A new challenger gets a new salt, so it draws visitors of its own; with a larger share, its visitors stay and others join them.
    """
    with _working("split", name, models, project, by, reason) as work:
        from presage_export.registry import AliasesError, drop_challenger  # noqa: PLC0415
        from presage_export.registry import split as tried  # noqa: PLC0415

        present = work.present()
        if off and not version:
            work.change(drop_challenger(present))
            return
        if off or not version or share is None:
            raise AliasesError("expected a VERSION and a SHARE, as in: presage models split conversion 4 0.1; or --off")
        champion = work.serving(present)
        if version == champion:
            raise AliasesError(
                f"challenger: {version} serves already; name another version, or first another champion, with presage models "
                "promote"
            )
        salt = secrets.token_hex(_SALT_BYTES)
        work.change(tried(present, version, share, champion=champion, new_salt=salt))


def shadow(
    name: Name,
    version: _Version = "",
    *,
    off: Annotated[bool, typer.Option("--off", help="Have no shadow.")] = False,
    models: Folder = None,
    project: Project = None,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Have a version score the same vectors as the champion, for the log only."""
    with _working("shadow", name, models, project, by, reason) as work:
        from presage_export.registry import AliasesError, set_shadow  # noqa: PLC0415

        if off == bool(version):
            raise AliasesError("expected either a VERSION, as in: presage models shadow conversion 4; or --off")
        present = work.present()
        work.change(set_shadow(present, version, champion="" if off else work.serving(present)))


def rollback(
    name: Name,
    *,
    models: Folder = None,
    project: Project = None,
    by: By = "",
    reason: Reason = "",
) -> None:
    """Put back the aliases that held before the last change, or the last valid ones where the file is broken.

    A rollback is a change, too: rolled back twice, all is as it was.
    """
    with _working("rollback", name, models, project, by, reason or "rollback") as work:
        from presage_export.registry import AliasesError, find_aliases_before, read_change_log  # noqa: PLC0415

        before = find_aliases_before(work.folder / name)
        try:
            present = work.present()
        except AliasesError:
            present = None
        if problem := read_change_log(work.folder / name).problem:
            print(f"presage models rollback: {problem}", file=sys.stderr)  # noqa: T201 - the command's output
        work.write(present, before, repair=True)


@dataclass(frozen=True, kw_only=True, slots=True)
class _Work:
    """One change of one model's aliases. Its types are those of modules that are imported late, so that the help is quick."""

    command: str
    name: str
    folder: Path
    custom: Any
    by: str
    reason: str

    def present(self) -> Any:
        """Read the aliases as they are."""
        from presage_export.registry import read_aliases  # noqa: PLC0415

        return read_aliases(self.folder / self.name)

    def serving(self, present: Any) -> str:
        """Return the champion, or the version that serves because aliases name none."""
        from presage_server.models.registry import find_serving  # noqa: PLC0415

        return str(present.champion) or find_serving(self.folder, self.name, self.custom)

    def change(self, after: Any) -> None:
        """Write other aliases, unless they are the same."""
        present = self.present()
        if after == present:
            say(f"presage models {self.command}: {self.name}: nothing was changed: the aliases say so already")
        else:
            self.write(present, after)

    def write(self, present: Any, after: Any, *, repair: bool = False) -> None:
        """Verify what is newly named, write the aliases, and say what changed."""
        from presage_export.registry import describe_change  # noqa: PLC0415
        from presage_server.models.loading import find_problems  # noqa: PLC0415
        from presage_server.models.registry import change_aliases  # noqa: PLC0415

        written = change_aliases(
            self.folder,
            self.name,
            after,
            partial(find_problems, self.folder, self.custom),
            now_unix_micros=system_clock(),
            changed_by=operator(self.by),
            reason=self.reason,
            repair=repair,
        )
        what = "the last valid aliases are back" if present is None else describe_change(present, written)
        say(f"presage models {self.command}: {self.name}: {what}; revision {written.revision}")


@contextmanager
def _working(  # noqa: PLR0917 - options
    command: str, name: str, models: Path | None, project: Path | None, by: str, reason: str
) -> Iterator[_Work]:
    with errors_shown(command):
        from presage_server.models.project import read_project  # noqa: PLC0415

        folder = folder_to_change(models)
        find_named(folder, name)
        custom = read_project(str(project)) if project else None
        yield _Work(command=command, name=name, folder=folder, custom=custom, by=by, reason=reason)
