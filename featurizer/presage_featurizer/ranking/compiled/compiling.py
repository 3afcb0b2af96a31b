"""How functions are compiled: to machine code that gives the bits that numpy gives."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

import numba
from numba import types

__all__ = ["BYTES", "Array", "column", "compiled", "inner", "table"]

Function = TypeVar("Function", bound=Callable[..., Any])

Array = Any
"""Numba knows of which type."""

BYTES = types.Bytes(types.uint8, 1, "C")
"""The type of ``bytes``."""

_NJIT: Any = numba.njit
_OPTIONS = {
    # No `fastmath`, and so no fused multiplications and additions: each operation is rounded as numpy rounds it.
    "fastmath": False,
    # A division by zero gives what it gives in numpy.
    "error_model": "numpy",
}


def column(kind: Any, dimensions: int = 1) -> Any:
    """Return the type of an array that a function writes, or that is always writable."""
    return types.Array(kind, dimensions, "C")


def table(kind: Any, dimensions: int = 1) -> Any:
    """Return the type of an array that may be memory-mapped, and so read-only."""
    return types.Array(kind, dimensions, "C", readonly=True)


def compiled(returns: Any, *arguments: Any) -> Callable[[Function], Function]:
    """Compile a function at once, for these types only, or load what was compiled before.

    The function's module must import nothing else of ours, which would be compiled into it: a change there would go unnoticed.
    """

    def decorate(function: Function) -> Function:
        signature = returns(*arguments)
        try:
            done: Function = _NJIT([signature], cache=True, **_OPTIONS)(function)
        except Exception:  # noqa: BLE001 - no folder to keep it in, or what lies there is damaged, which can raise anything
            done = _NJIT([signature], **_OPTIONS)(function)
        return done

    return decorate


def inner(function: Function) -> Function:
    """Compile a function that compiled ones of the same module call."""
    done: Function = _NJIT(**_OPTIONS)(function)
    return done
