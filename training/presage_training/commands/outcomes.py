"""``presage models outcomes``: how good each day's scores were, by what came of them."""

from __future__ import annotations

import sys
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

if TYPE_CHECKING:
    from presage_training.verdicts.daily import DayOfScores

__all__ = ["outcomes"]


def outcomes(
    name: Annotated[str, typer.Argument(help="The model's name.")],
    archive: Annotated[Path, typer.Argument(help="The folder that presage archive writes.")],
    target: Annotated[str, typer.Option(help="What the model predicts.")] = "purchase-in-session",
    since: Annotated[
        datetime | None, typer.Option(help="Leave out what was scored before this moment, in UTC.")
    ] = None,
) -> None:
    """Print calibration, Brier score and ROC-AUC of each day and version, from logged scores and what visitors did afterwards.

    One score of each session of a visitor counts, once its outcome is known; the column "known" says of how many sessions it is.
    Exit code 2 means that the archive has no scores of the model.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_featurizer import FeaturizerError  # noqa: PLC0415
    from presage_training.datasets.targets import parse_target  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415
    from presage_training.verdicts.daily import read_days  # noqa: PLC0415

    console = Console(markup=False, emoji=False, highlight=False)
    skipped = SkippedRows()
    try:
        chosen = parse_target(target)
        with console.status("reading"):
            days = read_days(
                archive,
                model=name,
                target=chosen,
                since_unix_micros=0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1e6),
                skipped=skipped,
            )
    except (TrainingError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or archive}: {error.strerror or error}; name a folder that can be read"))
    for reason, count in sorted(skipped.counts.items()):
        console.print(f"{count:,} events left out: {reason}", soft_wrap=True)
    if not days:
        sys.exit(
            _fail(f"{archive}: no scores of {name} whose outcomes can be known; servers log a share of what they serve")
        )
    _print(console, days, "Brier score" if chosen.is_classification else "squared error")


def _print(console: Console, days: list[DayOfScores], error: str) -> None:
    numbers = ("sessions", "known", "mean score", "mean outcome", "difference", error, "ROC-AUC")
    table = Table("day", "version", *(Column(each, justify="right") for each in numbers), box=SIMPLE_HEAD)
    for each in days:
        measured = (
            f"{each.mean_score:.4f}",
            f"{each.mean_outcome:.4f}",
            f"{each.mean_score - each.mean_outcome:+.4f}",
            f"{each.squared_error:.4f}",
            "" if each.auc is None else f"{each.auc:.3f}",
        )
        table.add_row(
            datetime.fromtimestamp(each.day * 86_400, UTC).strftime("%Y-%m-%d"),
            each.version,
            f"{each.sessions:,}",
            f"{each.known:.0%}",
            *(measured if each.sessions else ("",) * len(measured)),
        )
    console.print(table)


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage models outcomes: {message}", markup=False, soft_wrap=True)
    return 2
