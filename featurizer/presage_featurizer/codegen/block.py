"""A block of statements, with the variables and globals that they use."""

from __future__ import annotations

import ast
from collections.abc import Iterable

__all__ = ["Block", "assignment"]

_LITERALS = (bool, bytes, float, int, str, type(None))


class Block:
    """Statements that run one after the other, none of which has an effect beyond its variables."""

    def __init__(self) -> None:
        self.statements: list[ast.stmt] = []
        self.namespace: dict[str, object] = {}
        """The globals that the statements use."""
        self._names = 0
        self._bound: dict[int, ast.expr] = {}

    def new_name(self, name: str) -> str:
        """Make a name that nothing else has: each ends in a number of its own."""
        self._names += 1
        return f"{name}_{self._names}"

    def bind(self, value: object, name: str) -> ast.expr:
        """Make a value available to the statements, as a literal or a global."""
        if (type(value) is int or type(value) is float) and repr(value).startswith("-"):
            return ast.UnaryOp(
                ast.USub(), ast.Constant(-value)
            )  # as a constant, it would be written without parentheses
        if type(value) in _LITERALS:
            return ast.Constant(value)  # type: ignore[arg-type]
        if id(value) not in self._bound:
            unique = self.new_name(name)
            self.namespace[unique] = value
            self._bound[id(value)] = ast.Name(unique, ast.Load())
        return self._bound[id(value)]

    def assign(self, value: ast.expr, name: str) -> ast.expr:
        """Append the assignment of a value to a new variable, unless it is as simple as a variable."""
        if isinstance(value, ast.Name | ast.Constant):
            return value
        variable = self.new_name(name)
        self.statements.append(assignment(variable, value))
        return ast.Name(variable, ast.Load())

    def needed_for(self, results: Iterable[ast.expr]) -> list[ast.stmt]:
        """List the statements without those that set nothing that the results need."""
        needed = set().union(*(_names(result, ast.Load) for result in results))
        kept = []
        for statement in reversed(self.statements):
            stored = _names(statement, ast.Store)
            if not stored or stored & needed:
                kept.append(statement)
                needed |= _names(statement, ast.Load)
        return kept[::-1]


def assignment(variable: str, value: ast.expr) -> ast.stmt:
    """Write the assignment of a value to a variable."""
    return ast.Assign([ast.Name(variable, ast.Store())], value)


def _names(tree: ast.AST, context: type[ast.expr_context]) -> set[str]:
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, context)}
