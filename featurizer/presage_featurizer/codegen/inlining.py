"""Bodies of functions as statements of a block, because calls are what most of the time of a feature goes into.

A body can be inlined if it has the shape of most feature functions: plain statements, early returns by ``if``, one return at the
end. Functions that it calls in any case are inlined with it, and of two equal calls one is made. This relies on what every feature
function promises: to be pure.
"""

from __future__ import annotations

import ast
from collections.abc import Sequence
from types import FunctionType

from presage_featurizer.codegen.block import Block, assignment
from presage_featurizer.codegen.copying import SUBJECT, Arguments, Copier, NotInlinableError
from presage_featurizer.codegen.sources import definition_of

__all__ = ["Inliner"]


class Inliner:
    """Inlines functions about one object, the subject, into a block.

    Args:
        subject: The object's class. Its attributes become variables when its ``__init__`` is inlined.
        block: The block to append to.
    """

    def __init__(self, subject: type, block: Block) -> None:
        self.subject = subject
        self.block = block
        self.attributes: dict[str, ast.expr] = {}
        """The variables that hold the subject's attributes."""
        self._results: dict[str, ast.expr] = {}

    def inline(self, function: FunctionType, arguments: Arguments) -> ast.expr:
        """Append the body of a function.

        Args:
            function: The function.
            arguments: All its arguments by parameter: names, constants or SUBJECT.

        Returns:
            The expression of its result.

        Raises:
            NotInlinableError: It cannot be inlined; nothing was appended.
        """
        definition = definition_of(function)
        if definition is None:
            raise NotInlinableError(function)
        length, attributes, results = len(self.block.statements), dict(self.attributes), dict(self._results)
        try:
            return _append_body(definition.body, Copier(self, function, definition, arguments), function.__name__)
        except NotInlinableError:
            del self.block.statements[length:]
            self.attributes, self._results = attributes, results
            raise

    def call(self, function: FunctionType, arguments: Arguments, *, repeatable: bool) -> ast.expr:
        """Append a call of a function, inlined if possible.

        Args:
            function: The function.
            arguments: All its arguments by parameter.
            repeatable: Whether these arguments have the same values everywhere; then an equal call is not made again.

        Returns:
            The variable that holds the result, or a constant.
        """
        key = " ".join([function.__module__, function.__qualname__, *map(ast.dump, arguments.values())])
        if repeatable and key in self._results:
            return self._results[key]
        arguments = {name: self.block.assign(value, name) for name, value in arguments.items()}
        try:
            value = self.inline(function, arguments)
        except NotInlinableError:
            if SUBJECT in arguments.values():
                raise
            keywords = [ast.keyword(name, argument) for name, argument in arguments.items()]
            value = ast.Call(self.block.bind(function, function.__name__), [], keywords)
        result = self.block.assign(value, function.__name__)
        if repeatable:
            self._results[key] = result
        return result


def _append_body(statements: Sequence[ast.stmt], copier: Copier, name: str) -> ast.expr:
    """Append a function's body, and return the expression of its result."""
    block = copier.target.block
    for place, statement in enumerate(statements):
        match statement:
            case ast.Return(value=ast.expr() as value):
                return copier.copy(value)
            case ast.If(body=[ast.Return()], orelse=[]):
                result = block.new_name(name)
                block.statements.append(_early_return(statement, statements[place + 1 :], copier, result))
                return ast.Name(result, ast.Load())
            case ast.Expr(value=ast.Constant()):
                pass  # a docstring
            case ast.Assign(targets=[target], value=value) | ast.AnnAssign(target=target, value=ast.expr() as value):
                _append_assignment(target, copier.copy(value), copier)
            case _:
                block.statements.append(copier.copy(statement))
    return ast.Constant(None)


def _append_assignment(target: ast.expr, value: ast.expr, copier: Copier) -> None:
    block = copier.target.block
    match target:
        case ast.Attribute(value=subject, attr=attribute) if copier.is_subject(subject):
            copier.target.attributes[attribute] = block.assign(value, attribute)
        case ast.Name(id=name) if copier.assignments[name] == 1 and not _changes(value, copier):
            copier.names[name] = block.assign(value, name)
        case _:
            block.statements.append(ast.Assign([copier.copy(target)], value))


def _changes(value: ast.expr, copier: Copier) -> bool:
    """Return whether a value is a variable that may yet change, so that another name of it is a copy."""
    return isinstance(value, ast.Name) and value.id in copier.changing


def _early_return(statement: ast.If, rest: Sequence[ast.stmt], copier: Copier, result: str) -> ast.stmt:
    """Copy an early return; the statements after it become its other branch."""
    test = copier.copy(statement.test)
    with copier.condition():
        return ast.If(test, _branch(statement.body, copier, result), _branch(rest, copier, result))


def _branch(statements: Sequence[ast.stmt], copier: Copier, result: str) -> list[ast.stmt]:
    branch: list[ast.stmt] = []
    for place, statement in enumerate(statements):
        match statement:
            case ast.Return(value=ast.expr() as value):
                return [*branch, assignment(result, copier.copy(value))]
            case ast.If(body=[ast.Return()], orelse=[]):
                return [*branch, _early_return(statement, statements[place + 1 :], copier, result)]
            case _:
                branch.append(copier.copy(statement))
    return [*branch, assignment(result, ast.Constant(None))]
