"""``presage audit``: served vectors compared with a replay of the events before them."""

from __future__ import annotations

import sys
from collections import Counter
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from presage_featurizer import FeaturizerError
from presage_training.project.option import project_option

__all__ = ["audit"]


def audit(  # noqa: PLR0917 - the command line passes names
    archive: Annotated[Path, typer.Argument(help="The folder that presage archive writes.")],
    models: Annotated[
        Path | None, typer.Option(help="Folder of bundles, NAME/VERSION/, whose scores are checked too.")
    ] = None,
    rankings: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option("--rankings", help="Also compute logged rankings again, with the ranking models of --models."),
    ] = False,
    placements: Annotated[
        Path | None, typer.Option(help="With --rankings: the rules that the servers have, a TOML file.")
    ] = None,
    bucket_seconds: Annotated[
        int,
        typer.Option(
            min=0,
            help="With --rankings: the servers' item_bucket_seconds, if the archive does not name it.",
            show_default=False,
        ),
    ] = 0,
    project_folder: Annotated[Path | None, project_option(())] = None,
) -> None:
    """Compare served vectors with a replay of the archived events, bit for bit.

    Servers log a sample of vectors with `--sample-vectors-share`. The exit code is 1 if any vector or score differs, and 2 if
    there are vectors but none could be compared.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_training.audit import Models  # noqa: PLC0415
    from presage_training.audit import audit as run  # noqa: PLC0415
    from presage_training.commands.audit_rankings import RankingsCommand  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.project.project import Project  # noqa: PLC0415
    from presage_training.quoting import printable  # noqa: PLC0415
    from presage_training.readers.formats.archive import read_archive, read_archived_vectors  # noqa: PLC0415
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415

    console = Console(markup=False, emoji=False, highlight=False)
    if rankings and models is None:
        sys.exit(_fail("--rankings: needs the bundles that ranked; name their folder with --models"))
    if placements is not None and not rankings:
        sys.exit(_fail("--placements: only valid with --rankings; remove it"))
    skipped, same_rankings = SkippedRows(), True
    try:
        if models is not None and not models.is_dir():
            raise NotADirectoryError(20, "no such folder", str(models))
        custom = None if project_folder is None else Project.read(project_folder).features
        known = Models.read(models, warn=console.print, custom=custom) if models else Models({}, custom)
        with console.status("replaying"):
            result = run(read_archive(archive, skipped=skipped), read_archived_vectors(archive), known)
    except (TrainingError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or archive}: {error.strerror or error}; name a folder that can be read"))
    console.print(
        f"presage audit: {result.same:,} vectors the same, {result.different:,} different, "
        f"{result.skipped.total():,} not comparable; {result.scores:,} scores checked",
        soft_wrap=True,
    )
    for reason, count in sorted((result.skipped + Counter(skipped.counts)).items()):
        console.print(f"  {count:,}: {reason}", soft_wrap=True)
    for difference in result.differences:
        vector = difference.vector
        console.print(
            f"  visitor {printable(vector.user_id)!r} at {vector.as_of_unix_micros}, "
            f"model {printable(vector.model)} {printable(vector.model_version)}: {difference.what}",
            soft_wrap=True,
        )
    if rankings and models is not None:
        command = RankingsCommand(archive=archive, models=models, placements=placements, bucket_seconds=bucket_seconds)
        try:
            same_rankings = command.run(console)
        except (TrainingError, FeaturizerError) as error:
            sys.exit(_fail(str(error)))
        except OSError as error:
            sys.exit(_fail(f"{error.filename or archive}: {error.strerror or error}; name a place that can be read"))
    if result.different or not same_rankings:
        sys.exit(1)
    if result.skipped and not result.same:
        sys.exit(
            _fail("nothing could be compared; see the reasons above, and name the servers' project with --project")
        )


def _fail(message: str) -> int:
    print(f"presage audit: {message}", file=sys.stderr)  # noqa: T201
    return 2
