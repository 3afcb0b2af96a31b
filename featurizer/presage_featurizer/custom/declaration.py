"""The declaration, ``features.toml``: which features the project's set has, and the aggregates among them."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import msgspec

from presage_featurizer.aggregates import MAX_AGGREGATES
from presage_featurizer.catalogue import CATALOGUE
from presage_featurizer.custom.declared import Declared, declared_feature
from presage_featurizer.custom.shape import FeatureShape
from presage_featurizer.errors import FeatureSetError
from presage_featurizer.shipped_sets import FEATURE_SETS

__all__ = ["Declaration", "check_feature_name", "read_declaration"]

T = TypeVar("T")

_FEATURE_NAME = re.compile(r"[a-z][a-z0-9_]{0,63}", re.ASCII)
_MAX_DISTINCT = 1024
"""Texts that all aggregates together may keep of a visitor or a session."""

_SET_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class _FileShape(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """The keys of the file, and their types."""

    name: str
    extends: str | list[str]
    exclude: list[str] = []
    time_zone: str = "UTC"
    countries: list[str] | None = None
    features: dict[str, Any] = {}


@dataclass(frozen=True, kw_only=True, slots=True)
class Declaration:
    """A declaration that has been checked, except against ``features.py``."""

    name: str
    extends: tuple[str, ...]
    """Names from the catalogue."""
    exclude: frozenset[str]
    time_zone: str
    countries: tuple[str, ...]
    declared: Mapping[str, Declared]
    """The declared features by name, in the order of the file."""


def read_declaration(text: str) -> Declaration:
    """Read and check a declaration.

    Raises:
        FeatureSetError: A key is missing, unknown or wrong; the message names it and says what to write.
    """
    try:
        tables = tomllib.loads(text)
    except ValueError as error:
        raise FeatureSetError(f"it is not valid TOML: {error}") from error
    except RecursionError as error:
        raise FeatureSetError("it is nested too deeply; write plain tables and lists") from error
    shape = _shaped(tables, _FileShape, "")
    if not _SET_NAME.fullmatch(shape.name) or shape.name in FEATURE_SETS:
        raise FeatureSetError(
            f"name: expected 1 to 64 letters, digits, '.', '_' or '-', and not the name of a shipped set, got {shape.name!r}"
        )
    extends, countries = _extended(shape.extends)
    declared = {}
    for name, line in shape.features.items():
        key = f"features.{name}"
        check_feature_name(name, key)
        if not isinstance(line, dict):
            raise FeatureSetError(f'{key}: expected a table such as {{ aggregate = "count", over = "session" }}')
        declared[name] = declared_feature(name, _shaped(line, FeatureShape, key))
    keys: dict[int, Declared] = {}
    for name, each in declared.items():
        other = keys.setdefault(each.aggregate.key, each)
        if other.aggregate != each.aggregate:
            raise FeatureSetError(
                f"features.{name}: its slot collides with that of {other.name}; add a condition to one"
            )
    if len(keys) > MAX_AGGREGATES:
        raise FeatureSetError(f"features: expected at most {MAX_AGGREGATES} different aggregates, got {len(keys)}")
    distinct = sum(each.aggregate.cap for each in keys.values())
    if distinct > _MAX_DISTINCT:
        raise FeatureSetError(f"features: the caps of distinct add up to {distinct}; expected at most {_MAX_DISTINCT}")
    return Declaration(
        name=shape.name,
        extends=extends,
        exclude=frozenset(shape.exclude),
        time_zone=shape.time_zone,
        countries=countries if shape.countries is None else tuple(shape.countries),
        declared=declared,
    )


def check_feature_name(name: str, key: str) -> None:
    """Check the name of a project's feature.

    Raises:
        FeatureSetError: It is malformed, or the catalogue has it.
    """
    if not _FEATURE_NAME.fullmatch(name):
        raise FeatureSetError(
            f"{key}: expected a name of a-z, 0-9 and _, beginning with a letter, at most 64, got {name!r}"
        )
    if name in CATALOGUE:
        raise FeatureSetError(f"{key}: the catalogue has a feature of this name; choose another")


def _extended(extends: str | list[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """Return the features that the set begins with, and their vocabulary of countries."""
    if isinstance(extends, str):
        shipped = FEATURE_SETS.get(extends)
        if shipped is None:
            raise FeatureSetError(
                f"extends: expected one of {sorted(FEATURE_SETS)} or a list of features, got {extends!r}"
            )
        return shipped.features, shipped.countries
    unknown = [name for name in extends if name not in CATALOGUE]
    if unknown:
        raise FeatureSetError(f"extends: {unknown} are not in the catalogue; it has {sorted(CATALOGUE)}")
    return tuple(extends), ()


def _shaped(value: Any, shape: type[T], key: str) -> T:
    """Convert a table to a struct; an error names the key."""
    try:
        return msgspec.convert(value, shape)
    except msgspec.ValidationError as error:
        message, _, path = str(error).partition(" - at `$")
        key = (key + path.rstrip("`").replace("[...]", "")).removeprefix(".")
        raise FeatureSetError(f"{key or 'it'}: {message.replace('Object', 'the table')}") from error
