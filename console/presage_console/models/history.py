"""The history of a model's aliases, in words."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

import msgspec

from presage_client import AliasChange
from presage_console.models.aliases import to_registry
from presage_export import registry

__all__ = ["PastChange", "changes_since", "describe_difference", "describe_history"]

_TO = "\N{RIGHTWARDS ARROW}"
_SHARES = {
    "challenger_share": "share of the challenger",
    "holdout_share": "share held out",
    "pairs_share": "share of scores logged as pairs",
}
_ZEROS = re.compile(r"(\d+(?:\.\d*?[1-9])?)\.?0*%")


@dataclass(frozen=True, kw_only=True, slots=True)
class PastChange:
    """One change that was made."""

    at_unix_micros: int
    by: str
    what: str
    """As ``describe_difference`` says it."""
    reason: str
    revision: int
    """The one that it led to."""


def describe_history(changes: Sequence[AliasChange]) -> tuple[PastChange, ...]:
    """Put changes into words, in the order they come in."""
    return tuple(
        PastChange(
            at_unix_micros=change.changed_at_unix_micros,
            by=change.changed_by,
            what=_what(change),
            reason=change.reason,
            revision=change.after.revision,
        )
        for change in changes
    )


def changes_since(changes: Sequence[AliasChange], revision: int) -> tuple[PastChange, ...]:
    """Return the changes after a revision."""
    return describe_history([change for change in changes if change.after.revision > revision])


def _what(change: AliasChange) -> str:
    try:
        return describe_difference(to_registry(change.before), to_registry(change.after)) or "nothing"
    except registry.AliasesError as error:
        return f"cannot be read: {error}"


def describe_difference(before: registry.Aliases, after: registry.Aliases) -> str:
    """Say what differs between two aliases, such as "champion 3 → 4, challenger 4 → none"; empty if nothing does."""
    said = [
        f"{name} {getattr(before, name) or 'none'} {_TO} {getattr(after, name) or 'none'}"
        for name in ("champion", "challenger", "shadow", "prior")
        if getattr(before, name) != getattr(after, name)
    ]
    said += [
        f"{words} {getattr(before, name):.4%} {_TO} {getattr(after, name):.4%}"
        for name, words in _SHARES.items()
        if getattr(before, name) != getattr(after, name)
    ]
    if before.salt != after.salt and before.challenger == after.challenger:
        said.append("visitors assigned again")
    rules = registry.describe_change(before, msgspec.structs.replace(before, rollback=after.rollback))
    return ", ".join([_ZEROS.sub(r"\1 %", text) for text in said] + ([rules] if rules else []))
