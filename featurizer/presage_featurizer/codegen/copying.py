"""Copies of a function's statements and expressions, with its names replaced by those of a block."""

from __future__ import annotations

import ast
import builtins
import enum
import inspect
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from types import FunctionType
from typing import Protocol, TypeVar, cast

from presage_featurizer.codegen.block import Block

__all__ = ["SUBJECT", "Arguments", "Copier", "NotInlinableError", "Target"]

SUBJECT = ast.Name("subject", ast.Load())
"""Stands for the target's subject among the arguments of a function."""

Arguments = Mapping[str, ast.expr]
"""The arguments of a function by parameter."""

T = TypeVar("T", bound=ast.AST)
_COPIED_STATEMENTS = (ast.Assert, ast.Assign, ast.AugAssign, ast.Break, ast.Continue, ast.For, ast.If, ast.Pass)
_REJECTED_EXPRESSIONS = (ast.Await, ast.Lambda, ast.NamedExpr, ast.Yield, ast.YieldFrom)
_VARIABLE_ARGUMENTS = inspect.CO_VARARGS | inspect.CO_VARKEYWORDS


class NotInlinableError(Exception):
    """A function has no source, or a shape that cannot be inlined; it has to be called."""


class Target(Protocol):
    """Where copies go."""

    subject: type
    """The class of the object that the functions are about."""
    attributes: dict[str, ast.expr]
    """The variables that hold the subject's attributes."""
    block: Block
    """The block that the copies are for."""

    def call(self, function: FunctionType, arguments: Arguments, *, repeatable: bool) -> ast.expr:
        """Append a call to the block; ``repeatable`` if the arguments have the same values everywhere."""
        ...


class Copier(ast.NodeVisitor):
    """Copies parts of one function.

    Code under a condition or in a loop may never run, or more than once: calls there are copied as calls. All others are left to
    the target.

    Raises:
        NotInlinableError: A part has a shape that cannot be copied.
    """

    def __init__(
        self, target: Target, function: FunctionType, definition: ast.FunctionDef, arguments: Arguments
    ) -> None:
        self.target = target
        self.names: dict[str, ast.expr] = dict(arguments)
        """What replaces the function's parameters and local variables."""
        self.assignments = Counter(
            node.id for node in ast.walk(definition) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)
        )
        """How often the function assigns to each name."""
        self.changing: set[str] = set()
        """Variables of the block that may be assigned to more than once."""
        self._function = function
        self._pure_packages = _package(function), _package(target.subject)
        self._conditions = 0
        _require(holds=not self.assignments.keys() & arguments.keys())

    def copy(self, node: T) -> T:
        """Copy a statement or an expression."""
        return cast("T", self.visit(node))

    def copy_all(self, nodes: Iterable[T]) -> list[T]:
        """Copy one after the other."""
        return [self.copy(node) for node in nodes]

    @contextmanager
    def condition(self) -> Iterator[None]:
        """Mark what is copied within as code that may not run exactly once."""
        self._conditions += 1
        yield
        self._conditions -= 1

    def is_subject(self, node: ast.expr) -> bool:
        """Return whether an expression of the function is its subject."""
        return isinstance(node, ast.Name) and self.names.get(node.id) is SUBJECT

    def generic_visit(self, node: ast.AST) -> ast.AST:
        _require(holds=not isinstance(node, _REJECTED_EXPRESSIONS))
        _require(holds=not isinstance(node, ast.stmt) or isinstance(node, _COPIED_STATEMENTS))
        copied: dict[str, object] = {}
        for name, value in ast.iter_fields(node):
            if isinstance(value, list):
                copied[name] = self.copy_all(value)
            else:
                copied[name] = self.copy(value) if isinstance(value, ast.AST) else value
        return type(node)(**copied)

    def visit_Name(self, node: ast.Name) -> ast.expr:
        name = node.id
        if isinstance(node.ctx, ast.Store):
            variable = self.names.setdefault(name, ast.Name(self.target.block.new_name(name), ast.Load()))
            assert isinstance(variable, ast.Name)
            self.changing.add(variable.id)
            return ast.Name(variable.id, ast.Store())
        if name in self.names:
            _require(holds=not self.is_subject(node))
            return self.names[name]
        return self.target.block.bind(self._global(name), name)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        _require(holds=isinstance(node.ctx, ast.Load))
        return self.generic_visit(node)

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        _require(holds=isinstance(node.ctx, ast.Load))
        if self.is_subject(node.value):
            return self._subject_attribute(node.attr)
        if isinstance(node.value, ast.Name) and node.value.id not in self.names:
            owner = self._global(node.value.id)
            if isinstance(owner, enum.EnumMeta):
                return self.target.block.bind(owner[node.attr], node.attr)
        return self.generic_visit(node)

    def _subject_attribute(self, name: str) -> ast.expr:
        if name in self.target.attributes:
            return self.target.attributes[name]
        found = inspect.getattr_static(self.target.subject, name, None)
        getter = found.fget if isinstance(found, property) and not self._conditions else None
        if not isinstance(getter, FunctionType):
            raise NotInlinableError
        return self.target.call(getter, {"self": SUBJECT}, repeatable=True)

    def visit_Call(self, node: ast.Call) -> ast.AST:
        called = None if self._conditions else self._append_call(node)
        return self.generic_visit(node) if called is None else called

    def _append_call(self, node: ast.Call) -> ast.expr | None:
        """Leave a call to the target; None if it is to be copied as it stands."""
        positional = node.args
        match node.func:
            case ast.Attribute(value=subject, attr=name) if self.is_subject(subject):
                function = inspect.getattr_static(self.target.subject, name, None)
                positional = [subject, *positional]
            case ast.Name(id=name) if name not in self.names:
                function = self._global(name)
            case _:
                return None
        if not isinstance(function, FunctionType) or _package(function) not in self._pure_packages:
            return None
        code = function.__code__
        parameters = code.co_varnames[: code.co_argcount + code.co_kwonlyargcount]
        given = [*zip(parameters, positional, strict=False), *((each.arg, each.value) for each in node.keywords)]
        if code.co_flags & _VARIABLE_ARGUMENTS or {name for name, _ in given} != set(parameters):
            return None
        arguments = {
            name: SUBJECT if self.is_subject(value) else self.copy(value) for name, value in given if name is not None
        }
        used = {each.id for value in arguments.values() for each in ast.walk(value) if isinstance(each, ast.Name)}
        return self.target.call(function, arguments, repeatable=not used & self.changing)

    def visit_IfExp(self, node: ast.IfExp) -> ast.AST:
        test = self.copy(node.test)
        with self.condition():
            return ast.IfExp(test, self.copy(node.body), self.copy(node.orelse))

    def visit_BoolOp(self, node: ast.BoolOp) -> ast.AST:
        first = self.copy(node.values[0])
        with self.condition():
            return ast.BoolOp(node.op, [first, *self.copy_all(node.values[1:])])

    def visit_Compare(self, node: ast.Compare) -> ast.AST:
        left, second = self.copy(node.left), self.copy(node.comparators[0])
        with self.condition():
            return ast.Compare(left, node.ops, [second, *self.copy_all(node.comparators[1:])])

    def visit_If(self, node: ast.If) -> ast.AST:
        test = self.copy(node.test)
        with self.condition():
            return ast.If(test, self.copy_all(node.body), self.copy_all(node.orelse))

    def visit_For(self, node: ast.For) -> ast.AST:
        iterable = self.copy(node.iter)
        with self.condition():
            target = self.copy(node.target)
            return ast.For(target, iterable, self.copy_all(node.body), self.copy_all(node.orelse))

    def _copy_comprehension(self, node: ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp) -> ast.AST:
        iterable = self.copy(node.generators[0].iter)
        with self.condition():
            generators = [
                ast.comprehension(
                    self.copy(each.target),
                    iterable if place == 0 else self.copy(each.iter),
                    self.copy_all(each.ifs),
                    each.is_async,
                )
                for place, each in enumerate(node.generators)
            ]
            values = {name: self.copy(getattr(node, name)) for name in node._fields if name != "generators"}
        return type(node)(**values, generators=generators)

    def visit(self, node: ast.AST) -> ast.AST:
        if isinstance(node, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp):
            return self._copy_comprehension(node)
        return cast("ast.AST", super().visit(node))

    def _global(self, name: str) -> object:
        function = self._function
        _require(holds=name not in self.assignments and name not in function.__code__.co_freevars)
        namespace = function.__globals__ if name in function.__globals__ else vars(builtins)
        _require(holds=name in namespace)
        return namespace[name]


def _package(definition: FunctionType | type) -> str:
    return definition.__module__.partition(".")[0]


def _require(*, holds: bool) -> None:
    if not holds:
        raise NotInlinableError
