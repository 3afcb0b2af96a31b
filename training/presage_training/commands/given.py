"""Which options a command line gives."""

from __future__ import annotations

from collections.abc import Collection
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import typer

__all__ = ["first_given"]


def first_given(context: typer.Context, names: Collection[str]) -> str | None:
    """Return the flag of the first of these options that the command line gives."""
    for parameter in context.command.params:
        source = context.get_parameter_source(parameter.name or "")
        if parameter.name in names and getattr(source, "name", "") == "COMMANDLINE":
            return parameter.opts[0]
    return None
