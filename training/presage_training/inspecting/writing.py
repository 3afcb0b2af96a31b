"""Writes a proposal as the TOML file of a mapping."""

from __future__ import annotations

import re
from collections.abc import Iterable

from presage_featurizer import EventType
from presage_training.inspecting.proposal import Proposal
from presage_training.inspecting.sample import Sample
from presage_training.inspecting.vocabulary import plain_words
from presage_training.inspecting.words import is_guess
from presage_training.quoting import printable
from presage_training.readers.formats.mapping_file import IGNORE

__all__ = ["mapping_toml"]

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_ESCAPES = {"\\": "\\\\", '"': '\\"', "\n": "\\n", "\r": "\\r", "\t": "\\t"}
_MAX_SHOWN = 12
_MAX_ATTRIBUTE = 32
_UNKNOWN = "not known"
_GUESSED = "guessed by a part of the word: check"


def mapping_toml(sample: Sample, proposal: Proposal) -> str:
    """Return the text of the mapping, with a comment for each thing to look at."""
    lines = [f"# Proposed by `presage inspect` from {sample.rows:,} rows of {printable(sample.path.name)}."]
    lines += [f"# Look at: {printable(remark, most=500)}." for remark in proposal.remarks]
    lines += _file_table(sample)
    lines += ["", "[columns]"]
    lines += [f"{name} = {_value(source)}" for name, source in proposal.columns.items()]
    lines += [f'# {name} = "…"  # not found: name its column' for name in proposal.missing]
    if proposal.unplaced:
        shown = ", ".join(printable(column, most=60) for column in proposal.unplaced[:_MAX_SHOWN])
        more = len(proposal.unplaced) - _MAX_SHOWN
        lines += [f"# not used: {shown}{f', and {more} more' if more > 0 else ''}"]
        first = proposal.unplaced[0]
        name = plain_words(first).replace(" ", "_").lstrip("_0123456789")[:_MAX_ATTRIBUTE] or "name"
        lines += [
            f"# to use one: labels.{name} = {_text(first)} for words, numbers.{name} = {_text(first)} for numbers"
        ]
    for split in proposal.splits:
        lines += [
            "",
            f"[split.{_key(split.column)}]",
            f"separator = {_text(split.separator)}",
            f"into = {_value(split.into)}",
        ]
    lines += _time_table(proposal)
    lines += _words("event_types", (_event_type(word, kind) for word, kind in proposal.event_types.items()))
    lines += _words(
        "devices",
        ((word, kind.name if kind else "", "" if kind else _UNKNOWN) for word, kind in proposal.devices.items()),
    )
    lines += _words(
        "countries", ((word, code or "", "" if code else _UNKNOWN) for word, code in proposal.countries.items())
    )
    lines += _words("constants", ((name, value, "") for name, value in proposal.constants.items()))
    return "\n".join(lines) + "\n"


def _file_table(sample: Sample) -> list[str]:
    layout = sample.layout
    lines = [f"encoding = {_text(layout.encoding)}"] if layout.encoding not in {"", "utf-8"} else []
    if sample.is_text:
        lines.append(f"separator = {_text(layout.separator)}")
    if not layout.has_header:
        lines.append("header = false")
    if layout.decimal != ".":
        lines.append(f"decimal = {_text(layout.decimal)}")
    if layout.missing:
        lines.append(f"missing = {_value(layout.missing)}")
    return ["", "[file]", *lines] if lines else []


def _time_table(proposal: Proposal) -> list[str]:
    if proposal.time is None:
        return []
    guess = proposal.time.guess
    if guess.unit:
        return ["", "[event_time]", f"unit = {_text(guess.unit)}"]
    lines = [f"format = {_text(guess.text_format)}"] if guess.text_format else []
    if not guess.has_zone:
        lines.append('time_zone = "UTC"  # the log does not say: the zone of the shop, such as "Europe/Berlin"')
    return ["", "[event_time]", *lines] if lines else []


def _event_type(word: str, kind: EventType | None) -> tuple[str, str, str]:
    if kind is None:
        return word, IGNORE, _UNKNOWN
    return word, kind.name, _GUESSED if is_guess(word) else ""


def _words(table: str, entries: Iterable[tuple[str, str, str]]) -> list[str]:
    """Write a table of words, with what they mean and a comment each."""
    lines = [f"{_key(word)} = {_text(name)}{f'  # {note}' if note else ''}" for word, name, note in entries]
    return ["", f"[{table}]", *lines] if lines else []


def _key(text: str) -> str:
    return text if _BARE.fullmatch(text) else _text(text)


def _value(source: str | tuple[str, ...]) -> str:
    return _text(source) if isinstance(source, str) else f"[{', '.join(map(_text, source))}]"


def _text(text: str) -> str:
    escaped = "".join(
        _ESCAPES.get(character) or (character if character.isprintable() else f"\\U{ord(character):08x}")
        for character in text
    )
    return f'"{escaped}"'
