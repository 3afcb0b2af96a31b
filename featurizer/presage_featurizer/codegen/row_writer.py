"""The function that writes rows of features: the bodies of all feature functions in one loop over the visitors."""

from __future__ import annotations

import ast
import linecache
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from functools import cache
from itertools import count
from struct import Struct
from textwrap import indent
from types import FunctionType
from typing import cast

from presage_featurizer.catalogue import FeatureFunction
from presage_featurizer.codegen.block import Block, assignment
from presage_featurizer.codegen.copying import SUBJECT, NotInlinableError
from presage_featurizer.codegen.inlining import Inliner
from presage_featurizer.state import CoreState
from presage_featurizer.view import View

__all__ = ["MAX_FLOAT32", "RowWriter", "row_writer", "row_writer_source"]

RowWriter = Callable[[Sequence[CoreState | None], Sequence[int], Sequence[str], str, Mapping[str, int]], bytearray]
"""Takes states, moments and session ids, a time zone and the indices of countries; returns one float32 after the other."""

MAX_FLOAT32 = 3.4028234663852886e38
"""The largest number that a float32 holds; what is larger would be packed as infinity."""

_TEMPLATE = """\
def write_rows(states, nows_unix_micros, session_ids, time_zone, countries):
    rows = bytearray({row_bytes} * len(states))
    offset = 0
    for state, now_unix_micros, session_id in zip(states, nows_unix_micros, session_ids, strict=True):
{statements}
{checks}        pack_into(rows, offset, {values})
        offset += {row_bytes}
    return rows
"""
_CHECKS = """\
        if not ({tests}):
            raise ValueError("a value is not finite")
"""
_VIEW_ARGUMENTS = {
    name: ast.Name(name, ast.Load()) for name in ("state", "now_unix_micros", "session_id", "time_zone", "countries")
}
_VIEW = ast.Name("view", ast.Load())
_numbers = count(1)


@cache
def row_writer(
    functions: tuple[FeatureFunction, ...], in_python: frozenset[FeatureFunction] = frozenset()
) -> RowWriter:
    """Generate the function that writes the values of these feature functions, in this order, for any number of visitors.

    Args:
        functions: The functions.
        in_python: Those of a project's ``features.py``. They are called as they are: what allows the others to be inlined was never
            checked of them. They may give no finite float32; the row writer then raises ValueError.
    """
    source, namespace = row_writer_source(functions, in_python)
    file_name = f"<row writer {next(_numbers)}>"
    # Tracebacks show the lines.
    linecache.cache[file_name] = len(source), None, source.splitlines(keepends=True), file_name
    exec(compile(source, file_name, "exec"), namespace)  # noqa: S102 - made of this package's own source
    return cast("RowWriter", namespace["write_rows"])


def row_writer_source(
    functions: Sequence[FeatureFunction], in_python: frozenset[FeatureFunction] = frozenset()
) -> tuple[str, dict[str, object]]:
    """Compose the source of the function, and the globals that it needs."""
    block = Block()
    values = _values(functions, in_python, block)
    doubtful = []
    for place, function in enumerate(functions):
        if function in in_python:
            values[place] = block.assign(values[place], "checked")
            doubtful.append(f"-largest <= {_unparsed(values[place])} <= largest")
    statements = block.needed_for(values)
    row = Struct(f"{len(functions)}f")
    source = _TEMPLATE.format(
        row_bytes=row.size,
        statements=indent("\n".join(map(_unparsed, statements)), " " * 8),
        checks=_CHECKS.format(tests=" and ".join(doubtful)) if doubtful else "",
        values=", ".join(map(_unparsed, values)),
    )
    return source, {**block.namespace, "pack_into": row.pack_into, "largest": MAX_FLOAT32}


def _values(
    functions: Sequence[FeatureFunction], in_python: frozenset[FeatureFunction], block: Block
) -> list[ast.expr]:
    inliner = Inliner(View, block)
    with suppress(NotInlinableError):
        inliner.inline(cast("FunctionType", View.__init__), {"self": SUBJECT, **_VIEW_ARGUMENTS})
    attributes, place = dict(inliner.attributes), len(block.statements)
    values = [_call(function, block) if function in in_python else _value(function, inliner) for function in functions]
    if any(isinstance(value, ast.Call) and _VIEW in value.args for value in values):
        block.statements[place:place] = _view(attributes, block)
    return values


def _view(attributes: Mapping[str, ast.expr], block: Block) -> list[ast.stmt]:
    """Write the statements that make a view, of the attributes that are there already if they are."""
    view = block.bind(View, "View")
    if attributes.keys() != set(View.__slots__):
        return [assignment(_VIEW.id, ast.Call(view, list(_VIEW_ARGUMENTS.values()), []))]
    stores: list[ast.stmt] = [
        ast.Assign([ast.Attribute(_VIEW, name, ast.Store())], value) for name, value in attributes.items()
    ]
    return [assignment(_VIEW.id, ast.Call(block.bind(object.__new__, "new"), [view], [])), *stores]


def _value(function: FeatureFunction, inliner: Inliner) -> ast.expr:
    if isinstance(function, FunctionType):
        with suppress(NotInlinableError):
            return inliner.inline(function, {function.__code__.co_varnames[0]: SUBJECT})
    return _call(function, inliner.block)


def _call(function: FeatureFunction, block: Block) -> ast.expr:
    return ast.Call(block.bind(function, "feature"), [_VIEW], [])


def _unparsed(tree: ast.AST) -> str:
    return ast.unparse(ast.fix_missing_locations(tree))
