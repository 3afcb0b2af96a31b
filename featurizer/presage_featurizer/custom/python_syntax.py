"""What a project's ``features.py`` may contain, checked on its syntax tree.

The fingerprint of a feature covers this one file, so what determines a value must be in it. This is a guard against mistakes, not a
sandbox: the file is the operator's own code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from presage_featurizer.custom.reading import READER_PREFIX
from presage_featurizer.errors import FeatureSetError

__all__ = ["Definitions", "WithAggregates", "module_definitions"]

Definitions = dict[str, ast.stmt]
"""The statements that define the names of a module."""

_ANY_NAME: frozenset[str] = frozenset()
_IMPORTS = {
    "__future__": _ANY_NAME,
    "math": _ANY_NAME,
    "typing": _ANY_NAME,
    "collections.abc": _ANY_NAME,
    "presage_featurizer": frozenset({"MICROS", "Device", "EventType", "Segment", "View"}),
    "presage_featurizer.custom": frozenset({"feature"}),
}
"""The modules that it may import from, and which of their names."""

_REJECTED_BUILTINS = frozenset(
    "__import__ breakpoint compile delattr eval exec getattr globals hash id input locals open print setattr vars".split()  # noqa: SIM905
)
"""Names whose value or effect no fingerprint covers; ``hash`` and ``id`` differ between processes."""

_REJECTED_NODES = (
    ast.AsyncFunctionDef,
    ast.Await,
    ast.ClassDef,
    ast.Delete,
    ast.Global,
    ast.Nonlocal,
    ast.With,
    ast.Yield,
    ast.YieldFrom,
)


def module_definitions(tree: ast.Module) -> Definitions:
    """Check a module, and find what defines each of its names.

    Raises:
        FeatureSetError: It contains what a feature must not; the message says where and why.
    """
    definitions: Definitions = {}
    for statement in tree.body:
        for name in _defined(statement):
            if name in definitions:
                raise _error(statement, f"{name!r} is defined twice; give each thing a name of its own")
            if name.startswith(READER_PREFIX):
                raise _error(statement, f"names that begin with {READER_PREFIX!r} are reserved")
            definitions[name] = statement
        inside = ast.iter_child_nodes(statement) if isinstance(statement, ast.Import | ast.ImportFrom) else [statement]
        for part in inside:
            for node in ast.walk(part):
                _check(node, definitions)
    return definitions


def _defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Import(names=names):
            for alias in names:
                if alias.name != "math":
                    raise _import_error(statement, alias.name)
            return [alias.asname or alias.name for alias in names]
        case ast.ImportFrom(module=module, names=names, level=level):
            allowed = _IMPORTS.get(module or "")
            for alias in names:
                if level or allowed is None or (allowed and alias.name not in allowed) or alias.name == "*":
                    raise _import_error(statement, f"{'.' * level}{module or ''}.{alias.name}")
            return [alias.asname or alias.name for alias in names]
        case ast.FunctionDef(name=name):
            return [name]
        case ast.Assign(targets=[ast.Name(id=name)]) | ast.AnnAssign(target=ast.Name(id=name), value=ast.expr()):
            return [name]
        case ast.Expr(value=ast.Constant()):
            return []  # a docstring
        case _:
            raise _error(statement, "expected imports, constants and functions at the top level")


def _check(node: ast.AST, definitions: Definitions) -> None:
    match node:
        case ast.Import() | ast.ImportFrom():
            raise _error(node, "import at the top of the file, not in a function")
        case ast.Name(id=name) if name in _REJECTED_BUILTINS or name.startswith("__"):
            raise _error(node, f"{name} cannot be used: a feature must depend on the view alone")
        case ast.Attribute(attr=name) if name.startswith("__"):
            raise _error(node, f"{name} cannot be used: a feature must depend on the view alone")
        case ast.Attribute(ctx=ast.Store()):
            raise _error(node, "a feature must not change what it reads")
        case ast.Subscript(ctx=ast.Store(), value=value) if not isinstance(value, ast.Name) or value.id in definitions:
            raise _error(node, "a feature must not change what it reads, nor what other features see")
    if isinstance(node, _REJECTED_NODES):
        raise _error(node, f"{type(node).__name__} is not for features; write plain functions")


def _import_error(node: ast.AST, name: str) -> FeatureSetError:
    names = ", ".join(sorted(_IMPORTS["presage_featurizer"]))
    return _error(
        node,
        f"import of {name}: the fingerprint covers only this file, so it may import only math, typing, collections.abc, "
        f"presage_featurizer.custom.feature, and from presage_featurizer {names}",
    )


def _error(node: ast.AST, reason: str) -> FeatureSetError:
    return FeatureSetError(f"features.py: line {getattr(node, 'lineno', 0)}: {reason}")


class WithAggregates(ast.NodeTransformer):
    """Replaces ``view.aggregate("searches")`` by a call of the function that reads the slot.

    Args:
        known: The names of the aggregates.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = sorted(known)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr == "aggregate":
            raise _error(node, 'expected a call of aggregate with a name, such as view.aggregate("searches")')
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = aggregate_name(node)
        if name is None:
            return self.generic_visit(node)
        if name not in self._known:
            raise _error(node, f"aggregate {name!r} is not declared in features.toml; it has {self._known}")
        assert isinstance(node.func, ast.Attribute)
        function = ast.copy_location(ast.Name(READER_PREFIX + name, ast.Load()), node)
        return ast.copy_location(ast.Call(function, [self.visit(node.func.value)], []), node)


def aggregate_name(node: ast.AST) -> str | None:
    """Return the name in ``view.aggregate("searches")``; None for anything else."""
    match node:
        case ast.Call(func=ast.Attribute(attr="aggregate"), args=[ast.Constant(value=str() as name)], keywords=[]):
            return name
    return None


def names_in(node: ast.AST) -> Iterator[str]:
    """Go through the names that a part of a module refers to."""
    for each in ast.walk(node):
        if isinstance(each, ast.Name):
            yield each.id
