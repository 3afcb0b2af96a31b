"""The aliases of a model as the client returns them, as the registry's rules take them, and which visitors they serve."""

from __future__ import annotations

from dataclasses import asdict, dataclass

import msgspec

from presage_client import models as wire
from presage_export import registry

__all__ = ["ServedPart", "from_registry", "served_parts", "to_registry"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ServedPart:
    """The visitors that one version serves."""

    version: str
    """Empty: the highest version that can be served."""
    role: str
    """``champion``, ``challenger``, ``prior`` or ``shadow``."""
    share: float
    """Of all visitors, 0 to 1; a shadow serves none."""


def to_registry(aliases: wire.Aliases) -> registry.Aliases:
    """Return what the registry's functions take.

    Raises:
        AliasesError: The server's aliases contradict each other, as those of a newer release may.
    """
    fields = asdict(aliases)
    rules = fields.pop("rollback")
    return registry.Aliases(**fields, rollback=registry.RollbackRules(**(rules or {})))


def from_registry(aliases: registry.Aliases) -> wire.Aliases:
    """Return what the client sends."""
    fields = msgspec.structs.asdict(aliases)
    del fields["format_version"]
    rules = msgspec.structs.asdict(fields.pop("rollback"))
    return wire.Aliases(**fields, rollback=wire.RollbackRules(**rules))


def served_parts(aliases: registry.Aliases) -> tuple[ServedPart, ...]:
    """Say who serves which share of the visitors: champion, challenger, prior, then the shadow; all shares add up to 1."""
    held_out = aliases.holdout_share if aliases.prior else 0.0
    tried = (1.0 - aliases.holdout_share) * aliases.challenger_share
    parts = [ServedPart(version=aliases.champion, role="champion", share=1.0 - held_out - tried)]
    if aliases.challenger:
        parts.append(ServedPart(version=aliases.challenger, role="challenger", share=tried))
    if aliases.prior:
        parts.append(ServedPart(version=aliases.prior, role="prior", share=held_out))
    if aliases.shadow:
        parts.append(ServedPart(version=aliases.shadow, role="shadow", share=0.0))
    return tuple(parts)
