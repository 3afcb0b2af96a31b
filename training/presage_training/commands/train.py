"""``presage train``: models from an event log or from a simulated shop."""

from __future__ import annotations

import re
import shlex
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer
from rich.console import Console

from presage_export.registry import is_version
from presage_featurizer import FeaturizerError
from presage_training.commands.given import first_given
from presage_training.project.option import project_option
from presage_training.project.training_file import TRAINING_KEYS
from presage_training.readers import LogFormat

if TYPE_CHECKING:
    from presage_training.report.results import Results

__all__ = ["train"]

_LOG_OPTIONS = ("log_format", "mapping", "sort", "as_recorded")
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_SIMULATION_OPTIONS = ("visitors", "days")
_RANKING_OPTIONS = ("question", "placements", "items", "columns", "state_ttl_days")
_SCORING_OPTIONS = (
    "target", "decisions", "features", "time_zone", "known_only", "models", "calibration", "workers", "original",
)  # fmt: skip


def train(  # noqa: PLR0917 - the command line passes names
    context: typer.Context,
    to: Annotated[Path, typer.Option(help="The folder of the run: results, report, and a bundle of each model.")],
    log: Annotated[Path | None, typer.Argument(help="An event log; or --simulate.")] = None,
    project_folder: Annotated[Path | None, project_option(TRAINING_KEYS)] = None,
    log_format: Annotated[LogFormat | None, typer.Option("--format", help="What the log holds, if known here.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says what the log's columns mean, instead of --format.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Read in the order of time, not of the file.")] = False,  # noqa: FBT002 - a flag
    as_recorded: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--as-recorded", help="Accept many events that come after later ones of their visitor.")
    ] = False,
    simulate: Annotated[bool, typer.Option("--simulate", help="Simulate a shop instead of reading a log.")] = False,  # noqa: FBT002 - a flag
    visitors: Annotated[int, typer.Option(min=100, help="Visitors to simulate.")] = 6_000,
    days: Annotated[int, typer.Option(min=7, help="Days to simulate.")] = 30,
    rank: Annotated[bool, typer.Option("--rank", help="Train a model that ranks items, not one of scores.")] = False,  # noqa: FBT002 - a flag
    question: Annotated[
        Literal["next-item", "next-order", "shown-list"] | None,
        typer.Option(help="With --rank: what the ranking should foresee.", show_default="what the log answers best"),
    ] = None,
    placements: Annotated[
        Path | None,
        typer.Option(help="With --rank: rules after the model, a TOML file; lists are measured with them, too."),
    ] = None,
    items: Annotated[
        Path | None,
        typer.Option(help="With --rank: the catalogue that `presage items load` loads, if events do not say it all."),
    ] = None,
    columns: Annotated[
        str, typer.Option(help="With --items: columns that are not named like the field, as in `item_id=sku`.")
    ] = "",
    state_ttl_days: Annotated[
        float,
        typer.Option(
            help="With --rank: forget visitors after so many silent days, as servers do with their setting of this name; "
            "0 never."
        ),
    ] = 0.0,
    target: Annotated[
        str, typer.Option(help="purchase-in-session, purchase-within:DAYS or revenue-within:DAYS.")
    ] = "purchase-in-session",
    decisions: Annotated[
        str, typer.Option(help="When to predict: every-event, every-nth:N, session-prefix:N, daily, at:TYPE and more.")
    ] = "every-event",
    features: Annotated[
        str | None,
        typer.Option(
            help="A feature set, or features separated by commas.", show_default="conversion, or the project's"
        ),
    ] = None,
    time_zone: Annotated[
        str | None,
        typer.Option(help="The shop's time zone, as Europe/Berlin.", show_default="UTC, or the project's"),
    ] = None,
    known_only: Annotated[bool, typer.Option("--known-only", help="Exclude rows of anonymous visitors.")] = False,  # noqa: FBT002 - a flag
    models: Annotated[str, typer.Option(help="Kinds of models, separated by commas; the default ones if empty.")] = "",
    calibration: Annotated[
        Literal["sigmoid", "isotonic", "none"], typer.Option(help="How probabilities are calibrated.")
    ] = "sigmoid",
    draws: Annotated[int, typer.Option(min=100, help="Draws that each interval rests on.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same models, byte for byte.")] = 7,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that replay; the rows are the same.")] = 1,
    bundle: Annotated[
        Path | None, typer.Option(help="Also write the best model's bundle to this folder, NAME/VERSION.")
    ] = None,
    original: Annotated[
        Path | None, typer.Option(help="With --bundle and a LightGBM model: also write LightGBM's own text here.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train models and export them.

    Replays a log, or that of a simulated shop, through the serving featurizer into rows, trains models of several kinds on the
    first part of the time, measures them and baselines on the last, and writes a folder: results.json, report.html, and in models/
    a bundle of each that is proven to answer as the original does. With --rank, trains one model that ranks items for a visitor.
    """
    kinds = [kind.strip() for kind in models.split(",") if kind.strip()]
    misuse = _misuse(context, has_log=log is not None, simulate=simulate, rank=rank) or _misplaced_output(
        to, bundle, original, kinds, force=force
    )
    if misuse:
        sys.exit(_fail(misuse))

    # Imported here, so that the command's help does not wait for them.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_training.commands.train_ranking import RankingCommand  # noqa: PLC0415
    from presage_training.datasets.targets import parse_target  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.experiment import (  # noqa: PLC0415
        BundleOutput,
        ExperimentOptions,
        LogFile,
        PredictionTask,
        SimulatedShop,
        train_on_log,
    )
    from presage_training.project.project import Project, choose_features, log_source  # noqa: PLC0415
    from presage_training.replaying.decisions import parse_decisions  # noqa: PLC0415
    from presage_training.report.tables import results_lines  # noqa: PLC0415

    console = Console(markup=False, emoji=False)
    try:
        project = None if project_folder is None else Project.read(project_folder)
        source = (
            SimulatedShop(seed=seed, visitors=visitors, days=days, lists=rank)
            if log is None
            else LogFile.of(log, *log_source(project, log_format, mapping), is_sorted=sort, as_recorded=as_recorded)
        )
        if rank:
            ranking = RankingCommand(
                to=to,
                bundle=bundle,
                question=question,
                placements=placements,
                items=items,
                columns=columns,
                state_ttl_days=state_ttl_days,
                seed=seed,
                draws=draws,
                force=force,
            )
            ranking.run(source, console)
            return
        task = PredictionTask(
            target=parse_target(target),
            decisions=parse_decisions(decisions),
            feature_set=choose_features(project, features, time_zone),
            known_only=known_only,
        )
        with console.status("reading") as status:
            results = train_on_log(
                source,
                task,
                to,
                kinds=kinds,
                options=ExperimentOptions(seed=seed, calibration=calibration, draws=draws),
                workers=workers,
                bundle=None if bundle is None else BundleOutput(directory=bundle, original=original),
                overwrite=force,
                on_progress=status.update,
            )
    except (TrainingError, ExportError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or to}: {error.strerror or error}; name a place that can be read or written"))
    for line in results_lines(results):
        console.print(line, soft_wrap=isinstance(line, str))
    console.print(f"{to / 'report.html'}", soft_wrap=True)
    if bundle is not None:
        console.print(f"{bundle}", soft_wrap=True)
    served = _served(results, to, bundle, project_folder)
    if served is not None:
        console.print(f"next: {served}", soft_wrap=True)


def _misuse(context: typer.Context, *, has_log: bool, simulate: bool, rank: bool) -> str | None:
    """Say what is wrong with a combination of options."""
    if has_log == simulate:
        return "expected either a log or --simulate; give one of them"
    if misplaced := first_given(context, _LOG_OPTIONS if simulate else _SIMULATION_OPTIONS):
        return f"{misplaced}: only valid with {'a log' if simulate else '--simulate'}; remove it"
    if misplaced := first_given(context, _SCORING_OPTIONS if rank else _RANKING_OPTIONS):
        return f"{misplaced}: only valid with{'out' if rank else ''} --rank; remove it"
    if (misplaced := first_given(context, ("columns",))) and not first_given(context, ("items",)):
        return f"{misplaced}: only valid with --items; remove it"
    return None


def _misplaced_output(
    to: Path, bundle: Path | None, original: Path | None, kinds: list[str], *, force: bool
) -> str | None:
    """Say what is wrong with the places to write to."""
    for path, replacement in ((to, "folder"), (bundle, "version")):
        if path is not None and path.exists() and not force:
            return f"{path} is there already; give --force to replace it, or name another {replacement}"
    if bundle is not None and not _is_served(bundle.absolute()):
        return f"--bundle: expected a folder NAME/VERSION, as in models/shop/1, whose version is a number, got {bundle}"
    if original is None:
        return None
    if bundle is None or len(kinds) != 1 or not kinds[0].startswith("lightgbm-"):
        return "--original: only valid with --bundle and a LightGBM kind alone as --models; remove it"
    return None if original.parent.is_dir() else f"{original}: no folder {original.parent}; make it first"


def _is_served(bundle: Path) -> bool:
    """Whether servers find a bundle of this name and version."""
    return bool(_NAME.fullmatch(bundle.parent.name)) and is_version(bundle.name)


def _served(results: Results, to: Path, bundle: Path | None, project: Path | None) -> str | None:
    """Return the command that serves the best model; None if no bundle was written."""
    if bundle is not None:
        folder, name = bundle.absolute().parents[1], bundle.absolute().parent.name
    else:
        folder = to / "models"
        # The best first: a model that could not be exported has no bundle.
        own = sorted(
            (model for model in results.models if not model.is_baseline), key=lambda model: model.skill, reverse=True
        )
        name = next((model.kind for model in own if (folder / model.kind).is_dir()), "")
    own_features = () if project is None else ("--project", str(project))
    command = ("presage", "serve", *own_features, "--models", str(folder), "--default-model", name)
    return shlex.join(command) if name else None


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage train: {message}", markup=False, soft_wrap=True)
    return 2
