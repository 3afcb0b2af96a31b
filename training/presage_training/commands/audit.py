"""``presage audit``: served vectors compared with a replay of the events before them."""

from __future__ import annotations

import sys
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from presage_featurizer import FeaturizerError
from presage_training.commands.visitor_names import VisitorNames
from presage_training.project.option import project_option

if TYPE_CHECKING:
    from presage_featurizer.event_log import ServedVector
    from presage_training.audit import Models
    from presage_training.auditing.following import AuditProgress
    from presage_training.auditing.result import AuditResult

__all__ = ["audit"]

_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)


def audit(  # noqa: PLR0917 - the command line passes names
    archive: Annotated[Path, typer.Argument(help="The folder that presage archive writes.")],
    models: Annotated[
        Path | None, typer.Option(help="Folder of bundles, NAME/VERSION/, whose scores are checked too.")
    ] = None,
    since: Annotated[
        str,
        typer.Option(
            help="Leave out vectors of before a moment in UTC, as 2026-01-31 or 2026-01-31T12:00: that of a changed feature."
        ),
    ] = "",
    follow: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--follow", help="Go on as the archive grows; each mismatch is a line on standard error.")
    ] = False,
    once: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--once", help="With --follow: audit what is new since the last time, then end.")
    ] = False,
    states: Annotated[
        Path | None,
        typer.Option(
            help="With --follow: the file that keeps visitors' states from one run to the next.",
            show_default="ARCHIVE.audit",
        ),
    ] = None,
    settle_seconds: Annotated[
        float,
        typer.Option(
            min=0.0,
            help="With --follow: the newest files are audited when others follow, or after this time; more than the archiver's "
            "--flush-seconds.",
        ),
    ] = 150.0,
    metrics_port: Annotated[
        int,
        typer.Option(min=-1, max=65_535, help="With --follow: serve Prometheus metrics there; 0 chooses, -1 is off."),
    ] = -1,
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
    show_ids: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option(
            "--show-ids", help="Name visitors by their ids, and not as the servers' logs do, by hashes of them."
        ),
    ] = False,
    log_id_key: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_LOG_ID_KEY", show_envvar=False, help="As the servers' setting.", show_default=False
        ),
    ] = "",
    project_folder: Annotated[Path | None, project_option(())] = None,
) -> None:
    """Compare served vectors with a replay of the archived events, bit for bit.

    Servers log a sample of vectors with `--sample-vectors-share`. The exit code is 1 if any vector or score differs, and 2 if
    there are vectors but none could be compared. With `--follow`, it goes on until SIGTERM or Ctrl-C, in memory that does not
    grow, and continues where it ended.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_training.auditing.models_folder import ModelsFolder  # noqa: PLC0415
    from presage_training.auditing.visitor_states import default_states  # noqa: PLC0415
    from presage_training.commands.audit_follow import FollowCommand  # noqa: PLC0415
    from presage_training.commands.audit_rankings import RankingsCommand  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.project.project import Project  # noqa: PLC0415

    console = Console(markup=False, emoji=False, highlight=False)
    names = VisitorNames(show_ids=show_ids, key=log_id_key)
    if misuse := _misuse(
        has_models=models is not None,
        rankings=rankings,
        of_rankings=placements is not None or bucket_seconds > 0,
        follow=follow,
        of_follow=once or states is not None or metrics_port >= 0,
    ):
        sys.exit(_fail(misuse))
    try:
        since_unix_micros = _moment(since)
        if models is not None and not models.is_dir():
            raise NotADirectoryError(20, "no such folder", str(models))
        custom = None if project_folder is None else Project.read(project_folder).features
        folder = ModelsFolder(models, custom, warn=partial(console.print, soft_wrap=True))
        if follow:
            command = FollowCommand(
                archive=archive,
                states=states or default_states(archive),
                once=once,
                since_unix_micros=since_unix_micros,
                settle_seconds=settle_seconds,
                metrics_port=metrics_port,
                names=names,
            )
            sys.exit(_report(command.run(folder)))
        all_same, is_compared = _audit_once(archive, folder.read(), since_unix_micros, console, names)
        if rankings and models is not None:
            of_rankings = RankingsCommand(
                archive=archive, models=models, placements=placements, bucket_seconds=bucket_seconds, names=names
            )
            all_same &= of_rankings.run(console)
    except (TrainingError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        path = str(error.filename or archive)
        advice = (
            "expected the folder that presage archive writes" if Path(path).is_relative_to(archive) else "name another"
        )
        sys.exit(_fail(f"{path}: {error.strerror or error}; {advice}"))
    if not all_same:
        sys.exit(1)
    if not is_compared:
        sys.exit(_fail(_NOTHING))


_NOTHING = "nothing could be compared; see the reasons above, and name the servers' project with --project"


def _audit_once(
    archive: Path, models: Models, since_unix_micros: int, console: Console, names: VisitorNames
) -> tuple[bool, bool]:
    """Audit all vectors of an archive; return whether all are the same, and whether any could be compared if there are some."""
    from presage_training.audit import audit as run  # noqa: PLC0415 - as above
    from presage_training.readers.formats.archive import read_archive, read_archived_vectors  # noqa: PLC0415
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415

    skipped = SkippedRows()
    vectors = (vector for vector in read_archived_vectors(archive) if vector.as_of_unix_micros >= since_unix_micros)
    with console.status("replaying"):
        result = run(read_archive(archive, skipped=skipped), vectors, models)
    _print(console, result, Counter(skipped.counts), names)
    return not result.different, bool(result.same or not result.skipped)


def _print(console: Console, result: AuditResult[ServedVector], skipped: Counter[str], names: VisitorNames) -> None:
    from presage_training.quoting import printable  # noqa: PLC0415 - as above

    console.print(
        f"presage audit: {result.same:,} vectors the same, {result.different:,} different, "
        f"{result.skipped.total():,} not comparable; {result.scores:,} scores checked",
        soft_wrap=True,
    )
    for reason, count in sorted((result.skipped + skipped).items()):
        console.print(f"  {count:,}: {reason}", soft_wrap=True)
    for difference in result.differences:
        vector = difference.logged
        console.print(
            f"  visitor {names.of(vector.user_id)} at {vector.as_of_unix_micros}, "
            f"model {printable(vector.model)} {printable(vector.model_version)}: {difference.what}",
            soft_wrap=True,
        )


def _report(progress: AuditProgress) -> int:
    """Print what a following audit has found; return the exit code."""
    from presage_training.commands.audit_follow import progress_line  # noqa: PLC0415 - as above

    print(f"presage audit: ended; {progress_line(progress)}", flush=True)  # noqa: T201 - the command's result
    for reason, count in sorted(progress.skipped.items()):
        print(f"  {count:,}: {reason}", flush=True)  # noqa: T201
    if progress.mismatches:
        return 1
    return _fail(_NOTHING) if progress.skipped and not progress.same else 0


def _misuse(*, has_models: bool, rankings: bool, of_rankings: bool, follow: bool, of_follow: bool) -> str | None:
    """Say what is wrong with a combination of options."""
    if rankings and not has_models:
        return "--rankings: needs the bundles that ranked; name their folder with --models"
    if rankings and follow:
        return "--rankings: not with --follow; run it on a schedule"
    if of_rankings and not rankings:
        return "--placements, --bucket-seconds: only valid with --rankings; remove them"
    if of_follow and not follow:
        return "--once, --states, --metrics-port: only valid with --follow; remove them"
    return None


def _moment(text: str) -> int:
    """Read a moment in ISO 8601, in UTC unless it says otherwise; 0 if empty."""
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        sys.exit(_fail(f"--since: expected a moment as 2026-01-31 or 2026-01-31T12:00, got {text!r}"))
    return ((moment if moment.tzinfo else moment.replace(tzinfo=UTC)) - _EPOCH) // timedelta(microseconds=1)


def _fail(message: str) -> int:
    print(f"presage audit: {message}", file=sys.stderr)  # noqa: T201
    return 2
