"""``presage inspect``: a proposed mapping for a log of any shape."""

from __future__ import annotations

import shlex
import sys
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.box import SIMPLE_HEAD
from rich.console import Console
from rich.table import Table

from presage_featurizer.events import EventType
from presage_training.quoting import printable
from presage_training.readers import OWN_FORMATS, LogFormat

if TYPE_CHECKING:
    from presage_training.inspecting import Proposal, Sample, SampleCheck

__all__ = ["inspect"]

_MAX_EXAMPLES, _MAX_UNPLACED = 3, 12
_MAX_CHARACTERS = 60
_RANKS = "with --rank and another --to, the same command trains a ranking of items"
_REPEAT_ORDERS = ("--target", "purchase-within:30", "--decisions", "at:PURCHASE")


def inspect(
    log: Annotated[Path, typer.Argument(help="A log: a file, a folder, or a pattern in quotes such as 'logs/*.csv'.")],
    to: Annotated[Path | None, typer.Option(help="Write the mapping to this file instead of printing it.")] = None,
    rows: Annotated[int, typer.Option(min=1, help="How many rows to look at.")] = 100_000,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,  # noqa: FBT002 - a flag
) -> None:
    """Propose a mapping for a log, as the TOML file that replay, train and evaluate accept.

    Reads the first rows, guesses what the columns and words mean and how numbers and times are written, and tries the mapping on
    these rows: how many become events, and which values are the reason for the others. Exit code 1 if a needed field is not found.
    A log in Presage's own format, or an archive, needs no mapping: the command says so, and how to read it.
    """
    # Imported here, so that the command's help does not wait for them.
    from presage_training.errors import TrainingError  # noqa: PLC0415
    from presage_training.inspecting import check_mapping, known_format, mapping_toml, propose, read_sample  # noqa: PLC0415

    if to is not None and to.exists() and not force:
        sys.exit(_fail(f"{to} is there already; give --force to replace it, or name another file"))
    console = Console(markup=False, emoji=False, highlight=False)
    try:
        found = known_format(log)
        if found is not None:
            _print_own_format(console, log, found)
            sys.exit()
        with console.status("reading"):
            sample = read_sample(log, rows=rows)
            proposal = propose(sample)
            text = mapping_toml(sample, proposal)
            with tempfile.TemporaryDirectory(prefix="presage-inspect-") as folder:
                place = to or Path(folder) / "mapping.toml"
                place.write_text(text, encoding="utf-8")
                check = None if proposal.missing else check_mapping(sample, place)
    except TrainingError as error:
        sys.exit(_fail(str(error)))
    except OSError as error:
        sys.exit(_fail(f"{error.filename or log}: {error.strerror or error}; name a place that can be read or written"))
    _print_columns(console, sample, proposal)
    _print_words(console, proposal)
    _print_remarks(console, proposal)
    _print_check(console, sample, check)
    if to is None:
        console.print(f"\n{text}", soft_wrap=True)
    _print_next(console, log, to, proposal, check)
    if proposal.missing or (check and check.problem):
        sys.exit(1)


def _print_own_format(console: Console, log: Path, found: LogFormat) -> None:
    console.print(
        f"{printable(str(log))}: {OWN_FORMATS[found]}, which needs no mapping, so that none is proposed: --format {found}, or "
        f'format = "{found}" in a project\'s training.toml, reads all of it',
        soft_wrap=True,
    )
    command = shlex.join(("presage", "train", str(log), "--format", found, "--to", "runs/first"))
    console.print(f"next: {command}", soft_wrap=True)
    console.print(_RANKS, soft_wrap=True)


def _print_columns(console: Console, sample: Sample, proposal: Proposal) -> None:
    layout = sample.layout
    facts = [f"{sample.rows:,} rows of {len(sample.parts):,} of {sample.all_parts:,} files"]
    facts += [layout.encoding] if layout.encoding else []
    facts += [f"separator {layout.separator!r}"] if sample.is_text else []
    facts += ["decimal comma"] if layout.decimal == "," else []
    facts += [f"empty cells are written {', '.join(layout.missing)}"] if layout.missing else []
    console.print(f"{printable(str(sample.path))}: {'; '.join(facts)}", soft_wrap=True)
    table = Table("field", "column", "for example", box=SIMPLE_HEAD)
    parts = {part: split.column for split in proposal.splits for part in split.into}
    for name, source in proposal.columns.items():
        columns = (source,) if isinstance(source, str) else source
        examples = [_examples(sample, parts.get(column, column)) for column in columns]
        shown = [f"{part} of {parts[part]}" if part in parts else part for part in columns]
        table.add_row(name, printable(" + ".join(shown)), " + ".join(examples))
    for name, value in proposal.constants.items():
        table.add_row(name, "(the same for all rows)", value)
    for name in proposal.missing:
        table.add_row(name, "not found", "")
    for column in proposal.unplaced[:_MAX_UNPLACED]:
        table.add_row("(not used)", printable(column), _examples(sample, column))
    if (more := len(proposal.unplaced) - _MAX_UNPLACED) > 0:
        table.add_row("(not used)", f"{more} more columns", "")
    console.print(table)


def _examples(sample: Sample, column: str) -> str:
    distinct = dict.fromkeys(sample.texts(column)[:1_000])
    return printable(", ".join(list(distinct)[:_MAX_EXAMPLES]), most=_MAX_CHARACTERS)


def _print_words(console: Console, proposal: Proposal) -> None:
    if not proposal.event_types:
        return
    from presage_training.inspecting.words import is_guess  # noqa: PLC0415 - as above

    table = Table("event in the log", "rows", "becomes", box=SIMPLE_HEAD)
    for word, count in proposal.event_words.items():
        event_type = proposal.event_types[word]
        table.add_row(
            printable(word, most=_MAX_CHARACTERS) or "(empty)",
            f"{count:,}",
            f"{event_type.name}{', a guess: check' * is_guess(word)}" if event_type else "IGNORE: not known",
        )
    console.print(table)


def _print_remarks(console: Console, proposal: Proposal) -> None:
    for remark in proposal.remarks:
        console.print(f"look at: {printable(remark, most=500)}", soft_wrap=True)
    for name, words in (("device", proposal.devices), ("country", proposal.countries)):
        unknown = [printable(word, most=_MAX_CHARACTERS) for word, meaning in words.items() if not meaning]
        if unknown:
            console.print(f"look at: a {name} that is not known, left empty: {', '.join(unknown[:20])}", soft_wrap=True)


def _print_check(console: Console, sample: Sample, check: SampleCheck | None) -> None:
    if check is None:
        return
    if check.problem:
        console.print(f"the mapping cannot be used as it is: {check.problem}", soft_wrap=True)
        return
    if EventType.PURCHASE.name not in check.types:
        console.print(
            "look at: no row becomes a PURCHASE, and that is what presage train predicts without --rank", soft_wrap=True
        )
    if check.order.has_many_late:
        console.print(f"look at: {check.order.description}; --sort reads them in the order of time", soft_wrap=True)
    types = ", ".join(f"{count:,} {name}" for name, count in check.types.items())
    console.print(
        f"{check.events:,} of {sample.rows:,} rows become events, of {check.visitors:,} visitors: {types}",
        soft_wrap=True,
    )
    values = check.skipped.values
    console.print(f"{check.skipped.total:,} rows would be lost; {sum(values.values()):,} values, but not their rows")
    for reason, count in sorted(check.skipped.counts.items(), key=lambda entry: -entry[1]):
        what = "values lost" if reason in values else "rows lost"
        example = check.skipped.examples[reason][0]
        console.print(f"  {count:,} {what}: {reason}; first in {example.where}", soft_wrap=True)


def _print_next(console: Console, log: Path, to: Path | None, proposal: Proposal, check: SampleCheck | None) -> None:
    where = str(to) if to else "a file"
    if proposal.missing:
        names = ", ".join(proposal.missing)
        console.print(f"no column was found for {names}: name it in {where}", soft_wrap=True)
    elif to is not None and check and not check.problem:
        # In a log of orders alone, what can be predicted is the next order.
        task: tuple[str, ...] = _REPEAT_ORDERS if check.types.keys() == {EventType.PURCHASE.name} else ()
        has_purchases = EventType.PURCHASE.name in check.types
        if not has_purchases:
            task = ("--rank",)
        order = ("--sort",) if check.order.has_many_late else ()
        command = shlex.join(("presage", "train", str(log), "--mapping", str(to), *order, *task, "--to", "runs/first"))
        console.print(f"next: {command}", soft_wrap=True)
        if has_purchases:
            console.print(f"{_RANKS}, without --target and --decisions" if task else _RANKS, soft_wrap=True)


def _fail(message: str) -> int:
    Console(stderr=True).print(f"presage inspect: {message}", markup=False, soft_wrap=True)
    return 2
