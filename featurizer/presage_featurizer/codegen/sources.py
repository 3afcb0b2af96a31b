"""The source of functions that are loaded."""

from __future__ import annotations

import ast
import inspect
import linecache
import sys
from collections.abc import Iterator
from functools import cache
from io import StringIO
from types import CodeType, FunctionType

__all__ = ["definition_of", "load_functions"]

_Place = tuple[str, int]
"""Name and first line of a function."""

_trees: dict[str, ast.Module] = {}
"""The syntax trees of modules that have no file."""


def load_functions(module_name: str, tree: ast.Module, text: str, namespace: dict[str, object]) -> dict[str, object]:
    """Run a module that was generated, or read from a text, so that its functions can be inlined.

    Args:
        module_name: A name that no other text has.
        tree: What to run.
        text: The lines that tracebacks show.
        namespace: Globals that the module finds.

    Returns:
        The module's globals.
    """
    file_name = f"<{module_name}>"
    linecache.cache[file_name] = len(text), None, StringIO(text).readlines(), file_name
    _trees[module_name] = tree
    found = {"__name__": module_name, **namespace}
    exec(compile(tree, file_name, "exec", dont_inherit=True), found)  # noqa: S102 - generated, or the user's own
    return found


def definition_of(function: FunctionType) -> ast.FunctionDef | None:
    """Find the syntax tree of a function; None if its source is missing, or is not what was loaded."""
    code = function.__code__
    definition, compiled = _functions(function.__module__).get((code.co_name, code.co_firstlineno), (None, None))
    return definition if _same_code(code, compiled) else None


@cache
def _functions(module_name: str) -> dict[_Place, tuple[ast.FunctionDef, CodeType]]:
    """Read and compile the functions in the source of a module; empty if there is no source."""
    try:
        tree = _trees.get(module_name) or ast.parse(inspect.getsource(sys.modules[module_name]))
        compiled = compile(tree, module_name, "exec", dont_inherit=True)
    except (KeyError, OSError, SyntaxError):
        return {}
    codes = {(code.co_name, code.co_firstlineno): code for code in _nested(compiled)}
    definitions = {_place(node): node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)}
    return {place: (node, codes[place]) for place, node in definitions.items() if place in codes}


def _place(node: ast.FunctionDef) -> _Place:
    return node.name, min([node.lineno, *[decorator.lineno for decorator in node.decorator_list]])


def _nested(code: CodeType) -> Iterator[CodeType]:
    for constant in code.co_consts:
        if isinstance(constant, CodeType):
            yield constant
            yield from _nested(constant)


def _same_code(code: object, other: object) -> bool:
    if not isinstance(code, CodeType) or not isinstance(other, CodeType):
        return repr(code) == repr(other)
    names = ("co_code", "co_names", "co_varnames", "co_cellvars", "co_freevars", "co_argcount", "co_kwonlyargcount")
    return (
        all(getattr(code, name) == getattr(other, name) for name in names)
        and len(code.co_consts) == len(other.co_consts)
        and all(map(_same_code, code.co_consts, other.co_consts))
    )
