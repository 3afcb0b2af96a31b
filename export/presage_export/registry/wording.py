"""Aliases and their changes in words, for people and logs."""

from __future__ import annotations

from msgspec.structs import asdict

from presage_export.registry.aliases import Aliases, RollbackRules

__all__ = ["describe_change", "roles_of"]

_UNSAID = {"revision", "rollback", "format_version"}


def describe_change(before: Aliases, after: Aliases) -> str:
    """Say what differs between two aliases, such as "champion 2 -> 3, challenger 3 -> none"; empty if nothing does."""
    changed = [
        f"{name} {_shown(getattr(before, name))} -> {_shown(value)}"
        for name, value in asdict(after).items()
        if name not in _UNSAID and value != getattr(before, name)
    ]
    changed += _rule_changes(before.rollback, after.rollback)
    return ", ".join(changed)


def _rule_changes(before: RollbackRules, after: RollbackRules) -> list[str]:
    return [
        f"rollback.{name} {_shown(getattr(before, name))} -> {_shown(value)}"
        for name, value in asdict(after).items()
        if value != getattr(before, name)
    ]


def roles_of(aliases: Aliases, version: str) -> list[str]:
    """Say what a version is, such as ["challenger, 0.1"], with the share of visitors; without a role, an empty list."""
    roles = {
        "champion": aliases.champion,
        f"challenger, {aliases.challenger_share:.4g}": aliases.challenger,
        "shadow": aliases.shadow,
        f"prior, {aliases.holdout_share:.4g}": aliases.prior,
    }
    return [role for role, named in roles.items() if named == version]


def _shown(value: object) -> str:
    if isinstance(value, float):
        return f"{value:.6g}"
    return str(value) if value != "" else "none"
