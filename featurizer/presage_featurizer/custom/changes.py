"""What a function of ``features.py`` may change: the lists, dicts and sets that it has made itself, and nothing else.

The view holds the visitor's state and not a copy of it: what a function changed there would be stored.
"""

from __future__ import annotations

import ast
from collections import Counter
from collections.abc import Iterator

from presage_featurizer.custom.problems import problem

__all__ = ["check_changes"]

_CHANGING_METHODS = frozenset(
    "add append clear difference_update discard extend insert intersection_update pop popitem remove reverse "  # noqa: SIM905
    "setdefault sort symmetric_difference_update update".split()
)
_NEW_VALUES = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp)
_MAKERS = frozenset({"dict", "frozenset", "list", "set", "sorted"})
_FUNCTIONS = (ast.FunctionDef, ast.Lambda)
_ADVICE = "give a copy a name of its own, such as found = list(...) or dict(...), and change that, or use sorted(...)"

_ITERATING = frozenset({"enumerate", "filter", "iter", "list", "map", "reversed", "sum", "tuple", "zip"})
_SET_METHODS = frozenset({"difference", "intersection", "symmetric_difference", "union"})
_SET_OPERATORS = (ast.BitAnd, ast.BitOr, ast.BitXor, ast.Sub)


def check_changes(tree: ast.Module) -> None:
    """Check that functions change only what they have made, and do not depend on the order of sets.

    Raises:
        FeatureSetError: One may do so; the message names the line and what to do.
    """
    of_module = _names_of_sets(tree)
    _check_scope(tree, set(), of_module)
    for node in ast.walk(tree):
        if isinstance(node, _FUNCTIONS):
            _check_scope(node, _own_values(node), of_module | _names_of_sets(node))
        elif isinstance(node, ast.arguments):
            _check_defaults(node)
        if _bound(node) in _MAKERS:
            raise problem(node, f"{_bound(node)!r} is a function of Python; choose another name")


def _check_scope(scope: ast.AST, own: set[str], sets: set[str]) -> None:
    for node in _nodes_of(scope):
        match node:
            case ast.Attribute(value=value, attr=name) if name in _CHANGING_METHODS:
                if not isinstance(value, ast.Name) or value.id not in own:
                    raise problem(node, f".{name} may change what the function has not made; {_ADVICE}")
                if name == "pop" and value.id in sets:
                    raise problem(node, "what .pop takes from a set differs between processes; use sorted(...)")
            case ast.Subscript(ctx=ast.Store(), value=value) if not isinstance(value, ast.Name) or value.id not in own:
                raise problem(node, f"a feature must not change what it reads, nor what other features see; {_ADVICE}")
            case ast.AugAssign(target=ast.Subscript(), op=ast.BitOr()):
                raise problem(node, "|= may change a dict of the view; write a = b | c")
            case ast.For(iter=value) | ast.comprehension(iter=value) | ast.Starred(value=value):
                _check_order([value], sets)
            case ast.Call(func=ast.Name(id=name), args=arguments) if name in _ITERATING:
                _check_order(arguments, sets)


def _check_order(iterables: list[ast.expr], sets: set[str]) -> None:
    for iterable in iterables:
        if _is_set(iterable, sets):
            raise problem(iterable, "the order of a set differs between processes; write sorted(...) around it")


def _check_defaults(arguments: ast.arguments) -> None:
    for default in (*arguments.defaults, *arguments.kw_defaults):
        if isinstance(default, (*_NEW_VALUES, ast.Call)):
            raise problem(default, "a default is made once for all calls; write a number, a text or a tuple of them")


def _nodes_of(scope: ast.AST) -> Iterator[ast.AST]:
    """Go through a scope, without what is in its functions."""
    waiting = list(ast.iter_child_nodes(scope))
    while waiting:
        node = waiting.pop()
        yield node
        if not isinstance(node, _FUNCTIONS):
            waiting += ast.iter_child_nodes(node)


def _own_values(function: ast.AST) -> set[str]:
    """Find the variables of a function that are never anything but lists, dicts and sets that it has made."""
    bound: Counter[str | None] = Counter()
    made: Counter[str | None] = Counter()
    for node in _nodes_of(function):
        bound[_bound(node)] += 1
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_new(value):
                made[name] += 1
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if _is_new(value):
                made[name] += 1
    return {name for name in made if name is not None and made[name] == bound[name]}


def _bound(node: ast.AST) -> str | None:
    """Return the name that a part of a function gives a value."""
    match node:
        case ast.Name(id=name, ctx=ast.Store()) | ast.arg(arg=name) | ast.FunctionDef(name=name):
            return name
        case ast.MatchAs(name=str() as name) | ast.MatchStar(name=str() as name) | ast.MatchMapping(rest=str() as name):
            return name
        case ast.ExceptHandler(name=str() as name):
            return name
    return None


def _is_new(value: ast.expr) -> bool:
    match value:
        case ast.Call(func=ast.Name(id=name)):
            return name in _MAKERS
        case ast.BinOp(left=ast.List(), op=ast.Mult()):
            return True
    return isinstance(value, _NEW_VALUES)


def _names_of_sets(scope: ast.AST) -> set[str]:
    names: set[str] = set()
    for node in _nodes_of(scope):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value) if _is_set(value, names):
                names.add(name)
            case ast.AnnAssign(target=ast.Name(id=name), value=ast.expr() as value) if _is_set(value, names):
                names.add(name)
    return names


def _is_set(value: ast.expr, names: set[str]) -> bool:
    match value:
        case ast.Name(id=name):
            return name in names
        case ast.Call(func=ast.Name(id=name)):
            return name in ("set", "frozenset")
        case ast.Call(func=ast.Attribute(attr=name)):
            return name in _SET_METHODS
        case ast.BinOp(left=left, op=op, right=right) if isinstance(op, _SET_OPERATORS):
            return any(_is_set(side, names) or _is_keys(side) for side in (left, right))
    return isinstance(value, ast.Set | ast.SetComp)


def _is_keys(value: ast.expr) -> bool:
    return (
        isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in ("keys", "items")
    )
