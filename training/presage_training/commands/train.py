"""``presage train``: a purchase-propensity model from a simulated shop, as a bundle that serves."""

from __future__ import annotations

import datetime as dt
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from presage_featurizer import CONVERSION, MICROS

__all__ = ["train"]

_START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)  # a Monday


def train(  # noqa: PLR0917 - the command line passes names
    to: Annotated[Path, typer.Option(help="Where the bundle goes: a folder NAME/VERSION.")],
    visitors: Annotated[int, typer.Option(min=100, help="Visitors to simulate.")] = 6_000,
    days: Annotated[int, typer.Option(min=7, help="Days to simulate.")] = 30,
    seed: Annotated[int, typer.Option(help="The same seed gives the same bundle, byte for byte.")] = 7,
    original: Annotated[Path | None, typer.Option(help="Also write LightGBM's own model text here.")] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace a bundle that is there.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Train a model of purchase propensity and export it.

    Simulates a shop, replays its events through the serving featurizer into one row for each event ("does this session still end in
    a purchase?"), trains LightGBM on the first part of the time, measures on the last, and writes the ONNX bundle once it is proven
    to answer as LightGBM does.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_training.dataset import purchase_in_session  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.propensity import export_propensity, train_propensity  # noqa: PLC0415
    from presage_training.simulator import simulate  # noqa: PLC0415

    console = Console(markup=False)
    try:
        if to.exists() and not force:
            sys.exit(_fail(f"{to} is there already; give --force to replace it, or name another version"))
        if original is not None and not original.parent.is_dir():
            sys.exit(_fail(f"{original}: no folder {original.parent}; make it first"))
        with console.status("simulating the shop"):
            start_unix_micros = int(_START.timestamp()) * MICROS
            events = simulate(seed=seed, visitors=visitors, start_unix_micros=start_unix_micros, days=days)
        with console.status(f"replaying {len(events):,} events"):
            dataset = purchase_in_session(events)
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
