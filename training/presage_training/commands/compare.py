"""``presage models compare``: two versions of a model, by the outcomes of visitors that both have scored."""

from __future__ import annotations

import os
import sys
from dataclasses import astuple
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Column, Table

from presage_training.commands.compare_lists import print_lists
from presage_training.commands.figures import cells, span

if TYPE_CHECKING:
    from presage_training.verdicts import Comparison
    from presage_training.verdicts.lists import ListComparison

__all__ = ["compare"]

_DEFAULT_TARGET = "purchase-in-session"
_WIDE = 120


def compare(  # noqa: PLR0917 - the command line passes names
    a: Annotated[str, typer.Argument(metavar="NAME/A", help="The first version, such as conversion/3: the champion.")],
    b: Annotated[str, typer.Argument(metavar="NAME/B", help="The second version, such as conversion/4.")],
    archive: Annotated[Path, typer.Argument(help="The folder that presage archive writes.")],
    models: Annotated[
        Path | None, typer.Option(help="Folder of bundles, NAME/VERSION/, that say what the model predicts.")
    ] = None,
    target: Annotated[
        str | None,
        typer.Option(help=f"What the model predicts, if the bundles are not here; {_DEFAULT_TARGET} if not given."),
    ] = None,
    since: Annotated[
        datetime | None, typer.Option(help="Leave out what was scored before this moment, in UTC.")
    ] = None,
    k: Annotated[int, typer.Option(min=1, max=1_000, help="Places of a ranking model's order that count.")] = 10,
    alpha: Annotated[
        float | None,
        typer.Option(
            min=1e-6,
            max=0.5,
            help="How likely a verdict may be wrong, over all times that you look; 0.05 if not given.",
        ),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws that the intervals of one look rest on.")] = 200,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 7,
    enforce: Annotated[  # noqa: FBT002 - a flag
        bool,
        typer.Option("--enforce", help="Roll the second version back in --models, if it is worse as the challenger."),
    ] = False,
) -> None:
    """Compare two versions of a model by what visitors did after both had scored them at the same moment.

    Servers log a share of scores with those of the other loaded versions (`pairs_share`). One pair of each session counts, once its
    outcome is known. You may look at any time, as often as you like: the intervals of the loss and of the conversion allow for it.
    With `--models`, the error level is that of the aliases there, unless you give another. Versions of a ranking model are compared
    by where each has what visitors took, of the lists that both have scored.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_export.registry import Aliases, read_aliases  # noqa: PLC0415
    from presage_featurizer import FeaturizerError  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415
    from presage_training.verdicts.versions import VersionPair, compare_versions, find_target  # noqa: PLC0415

    name, version_a = _parse(a)
    other, version_b = _parse(b)
    if name != other or version_a == version_b:
        sys.exit(_fail(f"expected two versions of one model, such as {name}/3 {name}/4, got {a} and {b}"))
    if enforce and models is None:
        sys.exit(_fail("--enforce changes aliases: name the folder of bundles with --models"))
    # A file or a pipe has no width: nothing is folded there.
    wide = None if sys.stdout.isatty() or "COLUMNS" in os.environ else _WIDE
    console = Console(width=wide, markup=False, emoji=False, highlight=False)
    skipped = SkippedRows()
    try:
        aliases = Aliases() if models is None else read_aliases(models / name)
        since_micros = 0 if since is None else int(since.replace(tzinfo=UTC).timestamp() * 1e6)
        pair = VersionPair(
            archive=archive,
            model=name,
            versions=(version_a, version_b),
            alpha=alpha or aliases.rollback.paired_alpha,
            since_unix_micros=since_micros,
            k=k,
            draws=draws,
            seed=seed,
        )
        with console.status("reading"):
            found = find_target(archive, models, name, pair.versions, target)
            comparison, decision = compare_versions(pair, found, skipped)
    except (TrainingError, ExportError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(
            _fail(
                f"{error.filename or archive}: {error.strerror or error}; expected the folder that presage archive writes"
            )
        )
    _print(console, comparison, name)
    for reason, count in sorted(skipped.counts.items()):
        console.print(f"  {count:,} events left out: {reason}", soft_wrap=True)
    console.print(comparison.sentence, soft_wrap=True)
    more = "." if decision.reason == comparison.sentence else f": {decision.reason}"
    console.print(f"Advice: {decision.action.value}{more}", soft_wrap=True)
    if enforce and models is not None and decision.action.value == "roll back":
        try:
            console.print(_roll_back(models / name, (version_a, version_b), decision.reason), soft_wrap=True)
        except (ExportError, OSError) as error:
            sys.exit(_fail(str(error)))


def _parse(text: str) -> tuple[str, str]:
    name, slash, version = text.rpartition("/")
    if not (name and slash and version):
        sys.exit(_fail(f"expected NAME/VERSION, such as conversion/3, got {text!r}"))
    return name, version


def _roll_back(folder: Path, versions: tuple[str, str], reason: str) -> str:
    """Drop the second version from the aliases, if it is the challenger of the first; returns what was done."""
    from presage_export.registry import drop_challenger, read_aliases, replace_aliases  # noqa: PLC0415

    aliases = read_aliases(folder)
    if (aliases.champion, aliases.challenger) != versions:
        return f"Nothing is changed: {versions[1]} is not the challenger of {versions[0]} in {folder}."
    now = datetime.now(UTC)
    replace_aliases(
        folder,
        drop_challenger(aliases),
        now_unix_micros=int(now.timestamp() * 1e6),
        changed_by="presage models compare",
        reason=reason,
    )
    return f"Rolled back: nobody gets {versions[1]} any more."


def _print(console: Console, comparison: Comparison | ListComparison, name: str) -> None:
    from presage_training.verdicts.lists import ListComparison  # noqa: PLC0415

    if isinstance(comparison, ListComparison):
        print_lists(console, comparison, name)
        return
    unmatched = comparison.unmatched
    console.print(
        f"{name}, {comparison.target}: {comparison.rows:,} sessions of {comparison.visitors:,} visitors, "
        f"{comparison.positives:,} of them with a purchase; left out: {unmatched.same_session:,} more pairs of the "
        f"same sessions, {unmatched.waiting:,} sessions whose outcome is not known yet, {unmatched.not_eligible:,} pairs after the "
        f"purchase or without a session, {unmatched.unknown_event:,} pairs whose event is not in the archive",
        soft_wrap=True,
    )
    if not comparison.rows:
        if not any(astuple(unmatched)):
            console.print(
                "There is no pair of both versions here: one has to be the champion and the other the challenger or the shadow, "
                "with a pairs_share above 0, while scores are asked for.",
                soft_wrap=True,
            )
        return
    # At 80 columns the labels fold, and nothing else.
    whole = [Column(f"version {called.rpartition('/')[2]}", no_wrap=True) for called in comparison.names]
    whole += [Column(title, no_wrap=True) for title in ("difference", "interval", "looks")]
    table = Table("", *whole, box=SIMPLE_HEAD, padding=(0, 0, 0, 1))
    loss = "log loss" if comparison.is_classification else "squared error"
    table.add_row(loss, *cells(comparison.loss), "any number")
    if comparison.auc is not None:
        table.add_row("ROC-AUC", *cells(comparison.auc), "one")
    table.add_row("mean score - mean outcome", *cells(comparison.calibration), "one")
    if comparison.conversion is not None:
        table.add_row("outcome of those it served", *cells(comparison.conversion), "any number")
    table.add_row("rank correlation", "", "", f"{comparison.agreement.value:.4f}", span(comparison.agreement), "one")
    console.print(table)


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage models compare: {message}", markup=False, soft_wrap=True)
    return 2
