"""The history of a model's aliases, in words."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from presage_console.models.aliases import to_registry

from presage_client import AliasChange
from presage_export import registry

__all__ = ["PastChange", "changes_since", "describe_history"]


@dataclass(frozen=True, kw_only=True, slots=True)
class PastChange:
    """One change that was made."""

    at_unix_micros: int
    by: str
    what: str
    """Such as "champion 3 -> 4, challenger 4 -> none"."""
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
        before, after = to_registry(change.before), to_registry(change.after)
    except registry.AliasesError as error:
        return f"cannot be read: {error}"
    return registry.describe_change(before, after) or "nothing"
