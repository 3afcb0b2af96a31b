"""What a change would do, for the page that asks to confirm it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from presage_client import AliasChange, ModelSummary, VersionState
from presage_console.models.aliases import ServedPart, served_parts, to_registry
from presage_console.models.changing import Action, Wanted, wording
from presage_console.models.comparison import as_sentence
from presage_console.models.history import PastChange, changes_since
from presage_console.models.measurements import MeasuredComparison
from presage_export import registry

__all__ = ["Effect", "Proposal", "propose"]

_ADVICE_AGAINST = {Action.PROMOTE: {"continue", "roll back"}, Action.SPLIT: {"roll back"}}
"""By what is asked for, the advice of a comparison that speaks against it."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Effect:
    """What a change does to the visitors of one version."""

    version: str
    before: str
    """Its roles, or ``none``."""
    after: str
    share_before: float
    share_after: float
    changes: bool


@dataclass(frozen=True, kw_only=True, slots=True)
class Proposal:
    """A change that was asked for and not made yet."""

    title: str
    wanted: Wanted
    revision: int
    """The one that it is decided on."""
    effects: tuple[Effect, ...]
    changes_something: bool
    """Whether anything would be another than it is."""
    verdict: str
    """What the comparison of both versions says; where there was none, that."""
    tone: str
    """``good`` if the comparison advises the change, ``bad`` if it advises against it, else empty."""
    warnings: tuple[str, ...]
    meanwhile: tuple[PastChange, ...]
    """What was changed since the operator looked, the newest first."""


def propose(
    wanted: Wanted,
    model: ModelSummary,
    after: registry.Aliases,
    changes: Sequence[AliasChange],
    *,
    seen_revision: int | None,
    comparison: MeasuredComparison | None,
) -> Proposal:
    """Say what a change would do.

    Args:
        wanted: What is asked for.
        model: As the server lists it.
        after: All aliases as they would be.
        changes: The history of the aliases, the newest first.
        seen_revision: The one that the operator decided on before; None: this is the first look.
        comparison: What is known of the version beside the champion; None: it was not compared.
    """
    before = to_registry(model.aliases)
    changed = seen_revision is not None and seen_revision != before.revision
    verdict, tone = _verdict(wanted, comparison)
    return Proposal(
        title=wording(wanted),
        wanted=wanted,
        revision=before.revision,
        effects=_effects(served_parts(before), served_parts(after)),
        changes_something=after != before,
        verdict=verdict,
        tone=tone,
        warnings=_warnings(wanted, model, before, after),
        meanwhile=changes_since(changes, seen_revision) if changed and seen_revision is not None else (),
    )


def _effects(before: Sequence[ServedPart], after: Sequence[ServedPart]) -> tuple[Effect, ...]:
    versions = dict.fromkeys(part.version for part in (*before, *after))
    effects = []
    for version in versions:
        old, new = ([part for part in parts if part.version == version] for parts in (before, after))
        shares = sum(part.share for part in old), sum(part.share for part in new)
        roles = _roles(old), _roles(new)
        effects.append(
            Effect(
                version=version,
                before=roles[0],
                after=roles[1],
                share_before=shares[0],
                share_after=shares[1],
                changes=roles[0] != roles[1] or shares[0] != shares[1],
            )
        )
    return tuple(effects)


def _roles(parts: Sequence[ServedPart]) -> str:
    return ", ".join(part.role for part in parts) or "none"


def _verdict(wanted: Wanted, comparison: MeasuredComparison | None) -> tuple[str, str]:
    if wanted.action not in _ADVICE_AGAINST:
        return "", ""
    if comparison is None:
        return (
            "No comparison of this version with the champion has been looked at in this console since it started.",
            "",
        )
    tone = (
        "good"
        if comparison.action == "promote"
        else "bad"
        if comparison.action in _ADVICE_AGAINST[wanted.action]
        else ""
    )
    return f"{as_sentence(comparison.reason)} Its advice: {comparison.action}.", tone


def _warnings(
    wanted: Wanted, model: ModelSummary, before: registry.Aliases, after: registry.Aliases
) -> tuple[str, ...]:
    warnings = []
    rejected = {each.version: each.problem for each in model.versions if each.state is VersionState.REJECTED}
    present = {each.version for each in model.versions}
    for version in after.versions:
        if version not in before.versions and version in rejected:
            warnings.append(
                f"Version {version} cannot be served: {rejected[version]}. The server will reject this change."
            )
        if version not in present:
            warnings.append(f"Version {version} is not in the folder any more. The server will reject this change.")
    if before.challenger and before.challenger not in {after.challenger, after.champion}:
        warnings.append(
            f"This ends the trial of version {before.challenger}: what it has shown so far stays in the archive."
        )
    if wanted.action is Action.SPLIT and after.salt != before.salt and before.challenger:
        warnings.append("Visitors are drawn again: the new challenger's are others than those of the one before.")
    if wanted.action is Action.ROLL_BACK and after.salt != before.salt and after.challenger:
        warnings.append("Visitors are assigned as they were before the last change.")
    if after.pairs_share == 0.0 and (after.challenger or after.shadow):
        warnings.append("No scores of both versions are logged (pairs_share is 0), so they cannot be compared.")
    return tuple(warnings)
