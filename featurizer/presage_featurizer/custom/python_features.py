"""The features that a project writes in Python, ``features.py``."""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Iterator, Mapping
from types import FunctionType
from typing import Any

from presage_featurizer.catalogue import Feature, Scope
from presage_featurizer.codegen import finite_value, load_functions
from presage_featurizer.custom.decorator import FeatureOptions, options_of
from presage_featurizer.custom.problems import problem
from presage_featurizer.custom.python_syntax import (
    Definitions,
    WithAggregates,
    aggregate_name,
    module_definitions,
    names_in,
)
from presage_featurizer.custom.reading import READER_PREFIX
from presage_featurizer.errors import FeatureSetError, FeatureValueError
from presage_featurizer.view import View

__all__ = ["PythonFeatures", "read_python_features"]

_ANY_MOMENT = 1_700_000_000_000_000
_WHOLE_STATE = frozenset({"habits", "items", "recent_orders"})
"""Attributes that a state has only if all of it was decoded."""

PythonFeatures = tuple[dict[str, Feature], dict[str, str]]
"""Features by name, and the digest of each."""


def read_python_features(
    source: str, declared: Mapping[str, Feature], definitions_of_declared: Mapping[str, str]
) -> PythonFeatures:
    """Check and load a project's Python features.

    Args:
        source: The text of ``features.py``; it may be empty.
        declared: The declared features, which it can name as aggregates.
        definitions_of_declared: What each of them is.

    Raises:
        FeatureSetError: The text cannot be used; the message says where and why.
    """
    try:
        return _read(source.replace("\r\n", "\n").replace("\r", "\n"), declared, definitions_of_declared)
    except RecursionError as error:
        raise FeatureSetError("features.py: an expression is nested too deeply; split it") from error


def _read(source: str, declared: Mapping[str, Feature], definitions_of_declared: Mapping[str, str]) -> PythonFeatures:
    try:
        tree = ast.parse(source)
    except (SyntaxError, ValueError) as error:
        raise FeatureSetError(f"features.py: it is not valid Python: {error}") from error
    definitions = module_definitions(tree)
    found = _load(source, declared, definitions_of_declared)
    for name, statement in definitions.items():
        if isinstance(found.get(name), Iterator):
            raise problem(statement, f"{name!r} is used up as it is read; write a tuple")
    features, digests = {}, {}
    for name in definitions:
        options = options_of(found[name]) if name in found else None
        if options is not None:
            closure = _closure(name, definitions)
            features[name] = _feature(name, found[name], options, closure)
            digests[name] = _digest(source, closure, definitions_of_declared)
    return features, digests


def _load(
    source: str, declared: Mapping[str, Feature], definitions_of_declared: Mapping[str, str]
) -> dict[str, object]:
    tree = ast.fix_missing_locations(WithAggregates(declared).visit(ast.parse(source)))
    readers: dict[str, object] = {READER_PREFIX + name: each.compute for name, each in declared.items()}
    identity = json.dumps([source, sorted(definitions_of_declared.items())])
    module = f"presage_featurizer.custom.python_{hashlib.sha256(identity.encode()).hexdigest()[:16]}"
    try:
        return load_functions(module, tree, source, readers)
    except RecursionError:
        raise
    except Exception as error:
        raise FeatureSetError(f"features.py: it cannot be run: {type(error).__name__}: {error}") from error


def _closure(name: str, definitions: Definitions) -> Definitions:
    """Find the statements that a function depends on, its own included, by the names they define."""
    closure: Definitions = {}
    waiting = [name]
    while waiting:
        each = waiting.pop()
        if each in definitions and each not in closure:
            closure[each] = definitions[each]
            waiting += names_in(definitions[each])
    return closure


def _digest(source: str, closure: Definitions, definitions_of_declared: Mapping[str, str]) -> str:
    """Digest the texts of statements, not their syntax trees: those differ between releases of Python."""
    lines = source.split("\n")  # as Python does; splitlines knows more ends of lines
    aggregates = {
        name for statement in closure.values() for node in ast.walk(statement) if (name := aggregate_name(node))
    }
    parts: dict[str, Any] = {
        "source": {name: _text(statement, lines) for name, statement in closure.items()},
        "aggregates": {name: definitions_of_declared[name] for name in aggregates},
    }
    return "sha256:" + hashlib.sha256(json.dumps(parts, sort_keys=True).encode()).hexdigest()


def _text(statement: ast.stmt, lines: list[str]) -> str:
    decorators = statement.decorator_list if isinstance(statement, ast.FunctionDef) else []
    first = min([statement.lineno, *[each.lineno for each in decorators]])
    return "\n".join(lines[first - 1 : statement.end_lineno])


def _feature(name: str, function: object, options: FeatureOptions, closure: Definitions) -> Feature:
    if not isinstance(function, FunctionType) or function.__code__.co_argcount != 1 or function.__defaults__:
        raise FeatureSetError(f"features.py: {name}: expected a function of one parameter, the view")
    meaning = (function.__doc__ or "").strip().partition("\n")[0]
    if not meaning:
        raise FeatureSetError(f"features.py: {name}: expected a docstring; its first line is the feature's meaning")
    attributes = set[str]().union(*map(_values_read, closure.values()))
    try:
        finite_value(name, function, View(None, _ANY_MOMENT, "", "UTC", {}))
    except FeatureValueError as error:
        raise FeatureSetError(f"features.py: for a visitor without history, {error}") from error
    scope: Scope = "habits" if attributes & _WHOLE_STATE else "visitor"
    return Feature(
        name=name,
        meaning=meaning,
        unit=options.unit,
        scope=scope,
        low=options.low,
        high=options.high,
        default=options.default,
        version=1,
        compute=function,
    )


def _values_read(statement: ast.stmt) -> set[str]:
    """Return the names of the attributes that are read; not of methods that are called, such as a dictionary's ``items``."""
    nodes = list(ast.walk(statement))
    called = {id(node.func) for node in nodes if isinstance(node, ast.Call)}
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and id(node) not in called}
