"""``presage train``: models from an event log, or a purchase-propensity model from a simulated shop."""

from __future__ import annotations

import datetime as dt
import sys
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from presage_featurizer import CONVERSION, MICROS, FeatureSetError
from presage_training.readers import LogFormat

__all__ = ["train"]

_START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)  # a Monday
_OF_LOG = (
    "log_format",
    "mapping",
    "sort",
    "target",
    "decisions",
    "features",
    "time_zone",
    "known_only",
    "models",
    "draws",
)
_OF_SHOP = ("visitors", "days", "original")


def train(  # noqa: PLR0917 - the command line passes names
    context: typer.Context,
    to: Annotated[
        Path, typer.Option(help="With a log, the folder of the run. Without, that of the bundle, NAME/VERSION.")
    ],
    log: Annotated[Path | None, typer.Argument(help="An event log. Without one, a shop is simulated.")] = None,
    log_format: Annotated[LogFormat | None, typer.Option("--format", help="What the log holds, if known here.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says what the log's columns mean, instead of --format.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Read in the order of time, not of the file.")] = False,  # noqa: FBT002 - a flag
    target: Annotated[
        str, typer.Option(help="purchase-in-session, purchase-within:DAYS or revenue-within:DAYS.")
    ] = "purchase-in-session",
    decisions: Annotated[
        str, typer.Option(help="When to ask: every-event, every-nth:N, session-prefix:N, daily, at:TYPE and more.")
    ] = "every-event",
    features: Annotated[str, typer.Option(help="A feature set, or features separated by commas.")] = "conversion",
    time_zone: Annotated[str, typer.Option(help="The shop's time zone, as Europe/Berlin.")] = "UTC",
    known_only: Annotated[bool, typer.Option("--known-only", help="Leave anonymous visitors' rows out.")] = False,  # noqa: FBT002 - a flag
    models: Annotated[str, typer.Option(help="Kinds of models, separated by commas; the usual ones if empty.")] = "",
    draws: Annotated[int, typer.Option(min=100, help="Draws that each interval rests on.")] = 500,
    visitors: Annotated[int, typer.Option(min=100, help="Visitors to simulate.")] = 6_000,
    days: Annotated[int, typer.Option(min=7, help="Days to simulate.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same models, byte for byte.")] = 7,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that replay; the rows are the same.")] = 1,
    original: Annotated[Path | None, typer.Option(help="Also write LightGBM's own model text here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what is there.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train models and export them.

    With a log: replays it through the serving featurizer into rows, trains models of several kinds on the first part of the time,
    measures them and baselines on the last, and writes a folder: results.json, report.html, and in models/ a bundle of each that is
    proven to answer as the original does.

    Without: does so with a simulated shop, for the target purchase-in-session and LightGBM alone, and writes that bundle.
    """
    stray = [
        parameter.opts[0]
        for parameter in context.command.params
        if parameter.name in (_OF_LOG if log is None else _OF_SHOP)
        and getattr(context.get_parameter_source(parameter.name), "name", "") == "COMMANDLINE"
    ]
    if stray and log is None:
        sys.exit(_fail(f"{stray[0]}: is about a log; name the log, or leave it out"))
    if stray:
        sys.exit(_fail(f"{stray[0]}: is about the simulated shop; leave it out, or the log"))
    if to.exists() and not force:
        sys.exit(
            _fail(
                f"{to} is there already; give --force to replace it, or name another {'version' if log is None else 'folder'}"
            )
        )
    if log is None:
        _train_on_shop(to, visitors=visitors, days=days, seed=seed, workers=workers, original=original, force=force)
        return

    # Imported here, so that the command's help does not wait for them.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_training.datasets.dataset import parse_feature_set  # noqa: PLC0415
    from presage_training.datasets.targets import parse_target  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.experiment import ExperimentOptions, LogSource, PredictionTask, train_on_log  # noqa: PLC0415
    from presage_training.replaying.decisions import parse_decisions  # noqa: PLC0415
    from presage_training.report.tables import left_out_lines, models_table  # noqa: PLC0415

    console = Console(markup=False, emoji=False)
    try:
        task = PredictionTask(
            target=parse_target(target),
            decisions=parse_decisions(decisions),
            feature_set=replace(parse_feature_set(features), time_zone=time_zone),
            known_only=known_only,
        )
        with console.status("reading") as status:
            results = train_on_log(
                LogSource.of(log, log_format, mapping, is_sorted=sort),
                task,
                to,
                kinds=[kind.strip() for kind in models.split(",") if kind.strip()],
                options=ExperimentOptions(seed=seed, draws=draws),
                workers=workers,
                overwrite=force,
                on_progress=status.update,
            )
    except (TrainingError, ExportError, FeatureSetError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or to}: {error.strerror or error}; name a place that can be read or written"))
    console.print(models_table(results))
    for check in results.checks:
        for warning in check.warnings:
            console.print(f"leakage? {warning.name}: {warning.message}", soft_wrap=True)
    for remark in results.remarks:
        console.print(remark, soft_wrap=True)
    for left_out in left_out_lines(results):
        console.print(left_out, soft_wrap=True)
    console.print(f"{to / 'report.html'}", soft_wrap=True)


def _train_on_shop(
    to: Path, *, visitors: int, days: int, seed: int, workers: int, original: Path | None, force: bool
) -> None:
    """Train a model of purchase propensity on a simulated shop, and export it."""
    # Imported here, as above.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_training.datasets.dataset import purchase_in_session  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.propensity import export_propensity, train_propensity  # noqa: PLC0415
    from presage_training.report.writing import check_place  # noqa: PLC0415
    from presage_training.simulator import simulate  # noqa: PLC0415

    console = Console(markup=False)
    try:
        check_place(to.resolve())
        if original is not None and not original.parent.is_dir():
            sys.exit(_fail(f"{original}: no folder {original.parent}; make it first"))
        with console.status("simulating the shop"):
            start_unix_micros = int(_START.timestamp()) * MICROS
            events = simulate(seed=seed, visitors=visitors, start_unix_micros=start_unix_micros, days=days)
        with console.status(f"replaying {len(events):,} events"):
            dataset = purchase_in_session(events, workers=workers)
        with console.status(f"training on {len(dataset):,} rows"):
            propensity = train_propensity(dataset, seed=seed)
        with console.status("proving the export"):
            data: dict[str, str | int | float] = {
                "source": "presage_training.simulator",
                "target": "purchase-in-session",
                "seed": seed,
                "visitors": visitors,
                "days": days,
                "events": len(events),
            }
            report = export_propensity(propensity, to.resolve(), feature_set=CONVERSION, data=data, overwrite=force)
        if original is not None:
            original.write_text(propensity.booster.model_to_string(num_iteration=propensity.booster.best_iteration))
    except (TrainingError, ExportError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or to}: {error.strerror or error}; name a place that can be written"))
    table = Table("on held-out sessions", "", title=f"{to}", title_justify="left")
    for name, value in propensity.metrics.items():
        table.add_row(name, f"{value:.4f}")
    for part, count in propensity.rows.items():
        table.add_row(f"{part} rows", f"{count:,}")
    table.add_row("rows compared with LightGBM", f"{report.rows:,}")
    table.add_row("largest difference of a probability", f"{report.max_probability_error:.1e}")
    console.print(table)
    if propensity.metrics["log_loss"] >= propensity.metrics["baseline_log_loss"]:
        warning = (
            "this model is no better than always saying the prevalence; train it on a longer log before you serve it"
        )
        Console(stderr=True).print(f"presage train: {warning}", markup=False, soft_wrap=True)


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage train: {message}", markup=False, soft_wrap=True)
    return 2
