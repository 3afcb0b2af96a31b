"""The messages in the code, with `…` for what is put into them."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from functools import cache

from support.doc_blocks import ROOT

__all__ = ["code_messages", "is_message"]

GAP = "…"
_PACKAGES = ("server/presage_server", "export/presage_export")
_PERCENT = re.compile(r"%(?:\(\w+\))?[-+ #0]*\d*(?:\.\d+)?[sdrgfxo]")
_GAPS = re.compile(rf"{GAP}+")


@cache
def code_messages() -> frozenset[str]:
    """Return every text in the packages' code: f-strings and log lines with a gap for each value."""
    found: set[str] = set()
    for package in _PACKAGES:
        for path in (ROOT / package).rglob("*.py"):
            found.update(_texts(ast.parse(path.read_text())))
    return frozenset(found)


def is_message(text: str) -> bool:
    """Return whether a text is what code says, or the beginning, the end or the middle of it, between values."""
    return any(text in message for message in code_messages())


def _texts(tree: ast.AST) -> Iterator[str]:
    inside = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in inside:
            continue
        if isinstance(node, ast.JoinedStr):
            yield _GAPS.sub(GAP, "".join(_part(value) for value in node.values))
        elif isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield _GAPS.sub(GAP, _PERCENT.sub(GAP, node.value))


def _part(value: ast.expr) -> str:
    return value.value if isinstance(value, ast.Constant) and isinstance(value.value, str) else GAP
