"""What a project's ``features.py`` may contain, checked on its syntax tree.

The fingerprint of a feature covers this one file, so what determines a value must be in it. This is a guard against mistakes, not a
sandbox: the file is the operator's own code.
"""

from __future__ import annotations

import ast
from collections.abc import Iterable, Iterator

from presage_featurizer.custom.changes import check_changes
from presage_featurizer.custom.problems import problem
from presage_featurizer.custom.reading import READER_PREFIX
from presage_featurizer.errors import FeatureSetError

__all__ = ["Definitions", "WithAggregates", "aggregate_name", "module_definitions", "names_in"]

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
    "BaseException GeneratorExit KeyboardInterrupt SystemExit __import__ breakpoint compile delattr eval exec exit getattr globals "  # noqa: SIM905
    "hash help id input locals open print quit setattr vars".split()
)
"""Names whose value or effect no fingerprint covers, or that end the process; ``hash`` and ``id`` differ between processes."""

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
                raise problem(statement, f"{name!r} is defined twice; give each thing a name of its own")
            if name.startswith(READER_PREFIX):
                raise problem(statement, f"names that begin with {READER_PREFIX!r} are reserved")
            definitions[name] = statement
        inside = ast.iter_child_nodes(statement) if isinstance(statement, ast.Import | ast.ImportFrom) else [statement]
        for part in inside:
            for node in ast.walk(part):
                _check(node)
    check_changes(tree)
    return definitions


def _defined(statement: ast.stmt) -> list[str]:
    match statement:
        case ast.Import(names=names):
            for alias in names:
                if alias.name in _IMPORTS and alias.name != "math":
                    raise problem(statement, f"write from {alias.name} import and the names that you need")
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
            raise problem(statement, "expected imports, constants and functions at the top level")


def _check(node: ast.AST) -> None:
    match node:
        case ast.Import() | ast.ImportFrom():
            raise problem(node, "import at the top of the file, not in a function")
        case ast.Name(id=name) if name in _REJECTED_BUILTINS or name.startswith("__"):
            raise problem(node, f"{name} cannot be used: a feature must depend on the view alone")
        case ast.Attribute(attr=name) if name.startswith("__"):
            raise problem(node, f"{name} cannot be used: a feature must depend on the view alone")
        case ast.Attribute(ctx=ast.Store()):
            raise problem(node, "a feature must not change what it reads")
    if isinstance(node, _REJECTED_NODES):
        raise problem(node, f"{type(node).__name__} is not for features; write plain functions")


def _import_error(node: ast.AST, name: str) -> FeatureSetError:
    names = ", ".join(sorted(_IMPORTS["presage_featurizer"]))
    return problem(
        node,
        f"import of {name}: the fingerprint covers only this file, so it may import only math, typing, collections.abc, "
        f"presage_featurizer.custom.feature, and from presage_featurizer {names}",
    )


class WithAggregates(ast.NodeTransformer):
    """Replaces ``view.aggregate("searches")`` by a call of the function that reads the slot, and ``a += b`` by ``a = a + b``.

    Args:
        known: The names of the aggregates.
    """

    def __init__(self, known: Iterable[str]) -> None:
        self._known = sorted(known)

    def visit_AugAssign(self, node: ast.AugAssign) -> ast.AST:
        # Of a list or dict, `a += b` would change what the view holds; `a = a + b` makes another.
        if not isinstance(node.target, ast.Name):
            return self.generic_visit(node)
        value = ast.BinOp(ast.Name(node.target.id, ast.Load()), node.op, self.visit(node.value))
        return ast.copy_location(ast.Assign([node.target], ast.copy_location(value, node)), node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        if node.attr == "aggregate":
            raise problem(node, 'expected a call of aggregate with a name, such as view.aggregate("searches")')
        return self.generic_visit(node)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        name = aggregate_name(node)
        if name is None:
            return self.generic_visit(node)
        if name not in self._known:
            raise problem(node, f"aggregate {name!r} is not declared in features.toml; it has {self._known}")
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
