"""``presage evaluate``: any bundle, measured on any log."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from presage_featurizer import FeaturizerError
from presage_training.project.option import project_option
from presage_training.project.training_file import MEASURING_KEYS
from presage_training.readers import LogFormat

__all__ = ["evaluate"]


def evaluate(  # noqa: PLR0917 - the command line passes names
    bundle: Annotated[Path, typer.Argument(help="The bundle, a folder NAME/VERSION.")],
    log: Annotated[Path, typer.Argument(help="An event log.")],
    project_folder: Annotated[Path | None, project_option(MEASURING_KEYS)] = None,
    log_format: Annotated[LogFormat | None, typer.Option("--format", help="What the log holds, if known here.")] = None,
    mapping: Annotated[
        Path | None, typer.Option(help="A TOML file that says what the log's columns mean, instead of --format.")
    ] = None,
    sort: Annotated[bool, typer.Option("--sort", help="Read in the order of time, not of the file.")] = False,  # noqa: FBT002 - a flag
    as_recorded: Annotated[  # noqa: FBT002 - a flag
        bool, typer.Option("--as-recorded", help="Accept many events that come after later ones of their visitor.")
    ] = False,
    target: Annotated[
        str | None, typer.Option(help="What to measure; by default what the bundle was trained for.")
    ] = None,
    decisions: Annotated[str | None, typer.Option(help="When to predict; by default as in training.")] = None,
    known_only: Annotated[
        bool | None, typer.Option("--known-only/--anonymous-too", help="Whose rows; by default as in training.")
    ] = None,
    draws: Annotated[int, typer.Option(min=100, help="Draws that each interval rests on.")] = 500,
    seed: Annotated[int, typer.Option(help="The same seed gives the same intervals.")] = 7,
    workers: Annotated[int, typer.Option(min=1, max=64, help="Processes that replay; the rows are the same.")] = 1,
    explain: Annotated[bool, typer.Option("--explain", help="Also say what the scores are made of.")] = False,  # noqa: FBT002 - a flag
    to: Annotated[
        Path | None, typer.Option(help="Also write results.json and report.html into this new folder.")
    ] = None,
    force: Annotated[bool, typer.Option("--force", help="Replace what exists.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Measure a bundle on all rows of a log, as a server would have answered.

    Replays the log through the serving featurizer and scores each row with ONNX Runtime and the bundle's calibration. On a log that
    the model was trained on, figures flatter it.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_export.bundle import read_bundle  # noqa: PLC0415
    from presage_export.errors import ExportError  # noqa: PLC0415
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.experiment import LogFile, evaluate_bundle  # noqa: PLC0415
    from presage_training.experiment.evaluating import prediction_task  # noqa: PLC0415
    from presage_training.project.project import Project, log_source  # noqa: PLC0415
    from presage_training.report import PAGE_FILE, write_results  # noqa: PLC0415
    from presage_training.report.tables import results_lines  # noqa: PLC0415
    from presage_training.report.writing import arriving_folder, check_place  # noqa: PLC0415

    if to is not None and to.exists() and not force:
        sys.exit(_fail(f"{to} is there already; give --force to replace it, or name another folder"))
    console = Console(markup=False, emoji=False)
    try:
        if to is not None:
            check_place(to.resolve())
        if not (bundle / "manifest.json").is_file():
            sys.exit(_fail(f"{bundle}: holds no bundle; name a folder NAME/VERSION that has a manifest.json"))
        project = None if project_folder is None else Project.read(project_folder)
        model = read_bundle(bundle.resolve())
        task = prediction_task(
            model,
            target=target,
            decisions=decisions,
            known_only=known_only,
            custom=None if project is None else project.features,
        )
        with console.status("reading") as status:
            results = evaluate_bundle(
                model,
                LogFile.of(log, *log_source(project, log_format, mapping), is_sorted=sort, as_recorded=as_recorded),
                task,
                seed=seed,
                draws=draws,
                workers=workers,
                explain=explain,
                on_progress=status.update,
            )
        if to is not None:
            with arriving_folder(to.resolve(), overwrite=force) as folder:
                write_results(folder, results)
    except (TrainingError, ExportError, FeaturizerError) as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or log}: {error.strerror or error}; name a place that can be read or written"))
    for line in results_lines(results):
        console.print(line, soft_wrap=isinstance(line, str))
    if to is not None:
        console.print(f"{to / PAGE_FILE}", soft_wrap=True)


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage evaluate: {message}", markup=False, soft_wrap=True)
    return 2
