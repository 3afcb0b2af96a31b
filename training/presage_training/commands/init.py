"""``presage init``: the folder of a new project."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.console import Console

from presage_featurizer.events import EventType
from presage_training.quoting import printable
from presage_training.readers import OWN_FORMATS, LogFormat

if TYPE_CHECKING:
    from presage_training.inspecting import Proposal, Sample, SampleCheck

__all__ = ["init"]

_SAMPLE_ROWS = 100_000
_FORMAT = {
    LogFormat.PRESAGE: {'# format = "archive"             ': 'format = "presage"               '},
    LogFormat.ARCHIVE: {'# format = "archive"             ': 'format = "archive"               '},
}
_SORT = {"# sort = true  ": "sort = true    "}
_NEXT_ORDERS = {
    'target = "purchase-in-session"  ': 'target = "purchase-within:30"    ',
    'decisions = "every-event"': 'decisions = "at:PURCHASE"',
}


def init(
    folder: Annotated[Path, typer.Argument(metavar="DIR", help="The project's folder; made if it does not exist.")],
    log: Annotated[Path | None, typer.Option(help="A log: its mapping is proposed as `presage inspect` does.")] = None,
) -> None:
    """Make a project: own features, the mapping of a log and the training question of a shop.

    Writes features.toml, features.py, mapping.toml, training.toml and a README.md with the commands to run. Never replaces a file.
    Exit code 1 if the log lacks a needed field.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.inspecting import check_format, known_format, mapping_toml, propose, read_sample  # noqa: PLC0415
    from presage_training.project.scaffold import commands, write_project  # noqa: PLC0415

    console = Console(markup=False, emoji=False, highlight=False)
    proposal: Proposal | None = None
    found: LogFormat | None = None
    mapping = None
    training: dict[str, str] = {}
    try:
        if log is not None:
            with console.status("reading"):
                found = known_format(log)
                if found is not None:
                    training = _FORMAT[found] | _question(check_format(log, found, events=_SAMPLE_ROWS))
                else:
                    sample = read_sample(log, rows=_SAMPLE_ROWS)
                    proposal = propose(sample)
                    mapping = mapping_toml(sample, proposal)
                    training = {} if proposal.missing else _question(_check(sample, mapping))
        written, kept = write_project(folder, log=log, mapping=mapping, training=training)
    except TrainingError as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        needed = "a log that can be read" if error.filename == str(log) else "a place that can be written"
        sys.exit(_fail(f"{error.filename or folder}: {error.strerror or error}; name {needed}"))
    for name in written:
        console.print(f"wrote {folder / name}", soft_wrap=True)
    for name in kept:
        console.print(f"kept {folder / name}, which was there already", soft_wrap=True)
    if found is not None:
        where = folder / "training.toml"
        reads = f"{where} names its format" if "training.toml" in written else f'add format = "{found}" to {where}'
        console.print(f"{printable(str(log))}: {OWN_FORMATS[found]}, which needs no mapping: {reads}", soft_wrap=True)
    for remark in proposal.remarks if proposal else ():
        console.print(f"look at: {printable(remark, most=500)}", soft_wrap=True)
    if proposal and proposal.missing:
        needed = ", ".join(proposal.missing)
        console.print(f"no column was found for {needed}: name it in {folder / 'mapping.toml'}", soft_wrap=True)
        sys.exit(1)
    for command in commands(folder, log):
        console.print(f"next: {command}", soft_wrap=True)


def _check(sample: Sample, mapping: str) -> SampleCheck:
    """Try a mapping on the sample."""
    from presage_training.inspecting import check_mapping  # noqa: PLC0415

    with tempfile.TemporaryDirectory(prefix="presage-init-") as folder:
        path = Path(folder) / "mapping.toml"
        path.write_text(mapping, encoding="utf-8")
        return check_mapping(sample, path)


def _question(check: SampleCheck) -> dict[str, str]:
    """Return what a log needs otherwise in the template of ``training.toml``: sorting, or the next order if it has orders alone."""
    needed = _SORT if check.order.has_many_late else {}
    return needed | (_NEXT_ORDERS if check.types.keys() == {EventType.PURCHASE.name} else {})


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage init: {message}", markup=False, soft_wrap=True)
    return 2
