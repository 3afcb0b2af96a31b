"""``presage rank``: what else ranked lists could bring."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from presage_featurizer import FeaturizerError
from presage_featurizer.events import EventType

if TYPE_CHECKING:
    from presage_training.ranking.policies.evaluating import PolicyEvaluation
    from presage_training.ranking.policies.new_policy import NewPolicy
    from presage_training.report.metrics import Metric

__all__ = ["rank"]

rank = typer.Typer(
    name="rank",
    add_completion=False,
    rich_markup_mode="markdown",
    pretty_exceptions_enable=False,
    no_args_is_help=True,
)

_REWARDS = ("SELECT_ITEM", "VIEW_ITEM", "ADD_TO_CART", "PURCHASE")


@rank.callback()
def _rank() -> None:
    """Look at ranked lists."""


@rank.command("evaluate")
def _evaluate(  # noqa: PLR0917 - the command line passes names
    archive: Annotated[Path, typer.Argument(help="The folder that presage archive writes.")],
    placements: Annotated[
        Path | None, typer.Option(help="Rules to be tried, a TOML file; without it those that hold by default.")
    ] = None,
    model: Annotated[
        Path | None, typer.Option(help="The bundle of a ranking model to be tried; without it the logged scores.")
    ] = None,
    reward: Annotated[str, typer.Option(help=f"The type of event that counts: {', '.join(_REWARDS)}.")] = "SELECT_ITEM",
    clip: Annotated[
        float | None,
        typer.Option(min=1.0, help="The largest weight, for less variance and more bias; none by default."),
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws that each interval rests on.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 7,
) -> None:
    """Estimate what other rules, or another ranking model, would have brought, before any visitor sees them.

    Servers log rankings, and VIEW_ITEM_LIST events say which of them were seen. An estimate can only count what the logged lists
    could have shown: let placements explore. Models read the features that servers log with `--sample-vectors-share`.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.ranking.policies.evaluating import evaluate_policy  # noqa: PLC0415
    from presage_training.readers.formats.archive import read_archive_events, read_archived_exposures  # noqa: PLC0415
    from presage_training.readers.formats.archived_catalogue import read_archived_changes  # noqa: PLC0415
    from presage_training.readers.skipped_rows import SkippedRows  # noqa: PLC0415

    console = Console(markup=False, emoji=False, highlight=False)
    if placements is None and model is None:
        sys.exit(_fail("expected --placements, --model or both: name what is to be tried"))
    if reward.upper() not in _REWARDS:
        sys.exit(_fail(f"--reward: expected one of {', '.join(_REWARDS)}, got {reward!r}"))
    skipped = SkippedRows()
    try:
        with console.status("reading") as status:
            found = evaluate_policy(
                read_archive_events(archive, skipped=skipped),
                read_archived_exposures(archive),
                _policy(placements, model),
                changes=read_archived_changes(archive, skipped=skipped),
                reward=EventType[reward.upper()],
                clip=clip,
                seed=seed,
                draws=draws,
                on_progress=status.update,
            )
    except (TrainingError, ExportError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except UnicodeDecodeError as error:
        sys.exit(_fail(f"{placements}: expected text in UTF-8 ({error})"))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or archive}: {error.strerror or error}; name a place that can be read"))
    _print(console, found)
    for reason, count in sorted({**found.skipped, **skipped.counts}.items()):
        console.print(f"skipped {count:,}: {reason}", soft_wrap=True)


def _policy(placements: Path | None, model: Path | None) -> NewPolicy:
    from presage_export.bundle.ranking import load_ranking_bundle  # noqa: PLC0415
    from presage_featurizer.ranking.placements import Placements  # noqa: PLC0415
    from presage_training.ranking.policies.new_policy import NewPolicy  # noqa: PLC0415

    rules = (
        Placements.default()
        if placements is None
        else Placements.parse(placements.read_text(encoding="utf-8"), str(placements))
    )
    if model is None:
        return NewPolicy(placements=rules)
    bundle = load_ranking_bundle(model.resolve())
    return NewPolicy(placements=rules, model=bundle, fingerprint=bundle.manifest.feature_set.fingerprint)


def _print(console: Console, found: PolicyEvaluation) -> None:
    from presage_training.ranking.policies.remarks import remarks  # noqa: PLC0415

    total = found.total
    table = Table("estimated by", "for each list", "more than logged", box=SIMPLE_HEAD)
    for name, metric in total.values.items():
        table.add_row(name, _text(metric), _text(total.ahead[name]) if name in total.ahead else "")
    console.print(table)
    console.print(
        f"{total.lists:,} lists, whose {total.rounds:,} places are worth {total.effective_rounds:,.0f}; weights are"
        f" {total.mean_weight:.3f} on average, {total.largest_weight:.1f} at most, {total.clipped:,} clipped",
        soft_wrap=True,
    )
    by_place = Table("place", "logged", "snips", "places", "worth", "mean weight", box=SIMPLE_HEAD)
    for place, estimate in found.places.items():
        by_place.add_row(
            str(place),
            _text(estimate.values["logged"]),
            _text(estimate.values["snips"]),
            f"{estimate.rounds:,}",
            f"{estimate.effective_rounds:,.0f}",
            f"{estimate.mean_weight:.3f}",
        )
    console.print(by_place)
    for remark in remarks(total):
        console.print(f"warning: {remark}", soft_wrap=True)


def _text(metric: Metric) -> str:
    if metric.value is None or metric.low is None or metric.high is None:
        return "-"
    return f"{metric.value:.5f} ({metric.low:.5f} to {metric.high:.5f})"


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage rank evaluate: {message}", markup=False, soft_wrap=True)
    return 2
