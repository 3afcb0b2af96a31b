"""The file of placements: a TOML table for each, and ``[everywhere]`` for what holds where a placement says nothing else."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import fields
from difflib import get_close_matches
from typing import Any, Final, Self, TypeVar

from presage_featurizer.errors import PlacementError, UnknownPlacementError
from presage_featurizer.ranking.placements.placement import Exploration, FreshnessBoost, Placement

__all__ = ["EVERYWHERE", "Placements"]

EVERYWHERE: Final = "everywhere"
"""The table whose rules hold for every placement that does not say otherwise, and for calls that name none."""

T = TypeVar("T", FreshnessBoost, Exploration)

_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_MAX_QUOTED = 60
_WHOLE, _NUMBER, _SWITCH, _TEXT, _PLACES = "a whole number", "a number", "true or false", "text in quotes", "places"
_EXPECTED: Final[Mapping[str, str]] = {
    "hide_out_of_stock": _SWITCH,
    "max_per_category": _WHOLE,
    "max_per_brand": _WHOLE,
    "diversity": _NUMBER,
    "cheaper_alternatives": _WHOLE,
    "fill_up": _SWITCH,
    "places": _NUMBER,
    "half_life_days": _NUMBER,
    "slots": _PLACES,
    "method": _TEXT,
    "epsilon": _NUMBER,
    "prior_shows": _NUMBER,
    "max_age_days": _NUMBER,
}
_TABLES: Final[Mapping[str, type[FreshnessBoost | Exploration]]] = {
    "freshness_boost": FreshnessBoost,
    "exploration": Exploration,
}
_REQUIRED: Final[Mapping[str, tuple[str, ...]]] = {
    "freshness_boost": ("places", "half_life_days"),
    "exploration": ("slots",),
}
_EXAMPLES: Final[Mapping[str, str]] = {
    "freshness_boost": "{ places = 5, half_life_days = 7 }",
    "exploration": "{ slots = [3], epsilon = 0.1 }",
}


class Placements:
    """All placements of a shop, by name.

    Args:
        everywhere: The rules for calls that name no placement.
        named: The rules of each placement.
    """

    def __init__(self, everywhere: Placement, named: Mapping[str, Placement]) -> None:
        self._named = {"": everywhere, **named}

    @classmethod
    def default(cls) -> Self:
        """Return what holds without a file: no placements, and only the rules that are on by default."""
        return cls(Placement(), {})

    @classmethod
    def parse(cls, text: str, path: str) -> Self:
        """Read a file of placements.

        Args:
            text: Its content.
            path: Its name, for messages.

        Raises:
            PlacementError: It is not valid TOML, or has an unknown key or a wrong value; the message names file and key.
        """
        try:
            tables: dict[str, Any] = tomllib.loads(text)
        except ValueError as error:
            raise PlacementError(f"{path}: it is not valid TOML: {error}") from error
        except RecursionError as error:
            raise PlacementError(f"{path}: it is nested too deeply; write plain tables") from error
        values = {}
        for name, table in tables.items():
            if not isinstance(table, dict):
                raise PlacementError(_outside(path, name))
            if not _NAME.fullmatch(name):
                raise PlacementError(
                    f"{path}: {_quoted(name)}: expected a placement's name of 1 to 64 letters, digits, '.', '_' or '-'"
                )
            values[name] = _read_table(table, f"{path}: {name}")
        common = values.pop(EVERYWHERE, {})
        try:
            everywhere = Placement(**common)
        except PlacementError as error:
            raise PlacementError(f"{path}: {EVERYWHERE}.{error}") from error
        named = {}
        for name, own in values.items():
            try:
                named[name] = Placement(**{**common, **own})
            except PlacementError as error:
                raise PlacementError(f"{path}: {name}.{error}") from error
        return cls(everywhere, named)

    def __getitem__(self, name: str) -> Placement:
        """Return a placement's rules; those that hold everywhere for the empty name.

        Raises:
            UnknownPlacementError: There is no such placement.
        """
        found = self._named.get(name)
        if found is None:
            known = ", ".join(repr(other) for other in self)
            near = get_close_matches(name, list(self), n=1)
            meant = f"; is {near[0]!r} meant?" if near else ""
            raise UnknownPlacementError(
                f"expected one of {known} or no placement, got {_quoted(name)}{meant}"
                if known
                else f"expected no placement, since none is declared, got {_quoted(name)}"
            )
        return found

    def __iter__(self) -> Iterator[str]:
        """Return the names of the placements."""
        return (name for name in self._named if name)

    def __len__(self) -> int:
        return len(self._named) - 1


def _read_table(table: Mapping[str, Any], where: str) -> dict[str, Any]:
    known = [field.name for field in fields(Placement)]
    values: dict[str, Any] = {}
    for key, value in table.items():
        _check_key(key, known, where)
        here = f"{where}.{key}"
        values[key] = _inner(_TABLES[key], key, value, here) if key in _TABLES else _value(key, value, here)
    return values


def _inner(shape: type[T], key: str, value: Any, where: str) -> T | None:
    """Read a rule that is a table of its own; false switches off one that holds everywhere."""
    if value is False:
        return None
    if not isinstance(value, dict):
        raise PlacementError(f"{where}: expected a table such as {_EXAMPLES[key]}, or false, got {_quoted(value)}")
    known = {field.name: field for field in fields(shape)}
    for name in value:
        _check_key(name, list(known), where)
    read = {name: _value(name, inner, f"{where}.{name}") for name, inner in value.items()}
    for name in _REQUIRED[key]:
        if name not in read:
            raise PlacementError(f"{where}: expected {name} in it, as in {_EXAMPLES[key]}")
    try:
        return shape(**read)
    except PlacementError as error:
        raise PlacementError(f"{where}.{error}") from error


def _value(key: str, value: Any, where: str) -> Any:
    expected = _EXPECTED[key]
    whole = isinstance(value, int) and not isinstance(value, bool)
    fits = {
        _SWITCH: isinstance(value, bool),
        _WHOLE: whole,
        _NUMBER: whole or isinstance(value, float),
        _TEXT: isinstance(value, str),
        _PLACES: isinstance(value, list)
        and all(isinstance(slot, int) and not isinstance(slot, bool) for slot in value),
    }[expected]
    if not fits:
        what = f"{expected} such as [3, 8]" if expected is _PLACES else expected
        raise PlacementError(f"{where}: expected {what}, got {_quoted(value)}")
    return tuple(value) if expected is _PLACES else value


def _check_key(key: str, known: list[str], where: str) -> None:
    if key not in known:
        near = get_close_matches(key, known, n=1)
        advice = f"is {near[0]!r} meant?" if near else f"expected some of {', '.join(known)}"
        raise PlacementError(f"{where}: unknown key {_quoted(key)}; {advice}")


def _outside(path: str, key: str) -> str:
    """Say that a key stands outside of any table."""
    known = [field.name for field in fields(Placement)]
    if key in known:
        return f"{path}: {key}: expected it in a table; write [{EVERYWHERE}] above it"
    return f"{path}: unknown key {_quoted(key)}; expected only tables such as [{EVERYWHERE}] and [home]"


def _quoted(value: object) -> str:
    text = repr(value)
    return text if len(text) <= _MAX_QUOTED else f"{text[:_MAX_QUOTED]}..."
