"""Changes of which versions serve, as an operator asks for them: read from a form, decided on the aliases that were seen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

import msgspec

from presage_client import AliasChange, ModelSummary
from presage_console.models.aliases import to_registry
from presage_export import registry

__all__ = ["Action", "ChangeError", "Wanted", "decide", "find_before", "read_wanted", "wording"]

_MAX_DIGITS = 6


class ChangeError(Exception):
    """Expected: what was asked for is not a change that can be made. The text says why, and what to do."""


class Action(StrEnum):
    """What an operator can do."""

    PROMOTE = "promote"
    SPLIT = "split"
    END_SPLIT = "end-split"
    SHADOW = "shadow"
    END_SHADOW = "end-shadow"
    ROLL_BACK = "roll-back"


@dataclass(frozen=True, kw_only=True, slots=True)
class Wanted:
    """A change that an operator asks for."""

    action: Action
    version: str = ""
    """Of ``promote``, ``split`` and ``shadow``."""
    percent: str = ""
    """Of the visitors, as it was typed: of ``split``."""

    @property
    def share(self) -> float:
        """The share of visitors, 0 to 1."""
        return float(self.percent) / 100.0


def read_wanted(fields: Mapping[str, str]) -> Wanted:
    """Read what is asked for from the fields of a form.

    Raises:
        ChangeError: A field is missing or not valid; the text names it.
    """
    try:
        action = Action(fields.get("action", ""))
    except ValueError as error:
        expected = ", ".join(Action)
        raise ChangeError(f"action: expected one of {expected}, got {fields.get('action', '')!r}") from error
    version = fields.get("version", "").strip()
    percent = fields.get("percent", "").strip().removesuffix("%").strip().replace(",", ".")
    if action not in {Action.PROMOTE, Action.SPLIT, Action.SHADOW}:
        return Wanted(action=action)
    if not registry.is_version(version):
        raise ChangeError(f"version: expected one of the model's versions, got {version[:64]!r}")
    if action is not Action.SPLIT:
        return Wanted(action=action, version=version)
    if not _is_percentage(percent):
        raise ChangeError(f"share: expected 0 to 100 percent of the visitors, got {percent[:64]!r}")
    return Wanted(action=action, version=version, percent=percent)


def decide(
    wanted: Wanted, model: ModelSummary, changes: Sequence[AliasChange], *, new_salt: str = ""
) -> registry.Aliases:
    """Return all aliases as they are to be, with the revision that the change is decided on.

    Args:
        wanted: What is asked for.
        model: As the server lists it.
        changes: The history of its aliases, the newest first.
        new_salt: What visitors are assigned by if the challenger is another than before: random, so that each experiment draws
            visitors of its own.

    Raises:
        ChangeError: It cannot be done; the text says why.
    """
    if model.problem:
        raise ChangeError(
            f"aliases.json of {model.name} cannot be read: {model.problem}; put the last valid ones back on the server's machine, "
            f"with: presage models rollback {model.name}"
        )
    versions = [each.version for each in model.versions]
    if wanted.version and wanted.version not in versions:
        raise ChangeError(f"version: expected one of {', '.join(versions)}, got {wanted.version}")
    try:
        present = to_registry(model.aliases)
        match wanted.action:
            case Action.PROMOTE:
                return registry.promote(present, wanted.version)
            case Action.SPLIT:
                return registry.split(
                    present, wanted.version, wanted.share, champion=present.champion, new_salt=new_salt
                )
            case Action.END_SPLIT:
                return registry.drop_challenger(present)
            case Action.SHADOW:
                return registry.set_shadow(present, wanted.version, champion=present.champion)
            case Action.END_SHADOW:
                return registry.set_shadow(present, "", champion="")
            case Action.ROLL_BACK:
                return find_before(present, changes)
    except registry.AliasesError as error:
        raise ChangeError(str(error)) from error


def find_before(present: registry.Aliases, changes: Sequence[AliasChange]) -> registry.Aliases:
    """Find the aliases that held before the last change, as ``presage models rollback`` does.

    Args:
        present: As they are; where no champion is named, with the one that serves.
        changes: Of the server's history, the newest first.

    Raises:
        ChangeError: There is nothing to go back to.
        AliasesError: The history contradicts itself.
    """
    known = [(to_registry(change.before), to_registry(change.after)) for change in changes]
    if known and _is_same(known[0][0], present):
        known = known[1:]  # it was cut off before it held
    if not known:
        raise ChangeError("there is no change to roll back")
    before, after = known[0]
    found = before if _is_same(after, present) else after
    return msgspec.structs.replace(found, revision=present.revision)


def wording(wanted: Wanted) -> str:
    """Say what is asked for, as a heading."""
    match wanted.action:
        case Action.PROMOTE:
            return f"Make version {wanted.version} the champion"
        case Action.SPLIT:
            return f"Try version {wanted.version} on {wanted.percent} % of the visitors"
        case Action.END_SPLIT:
            return "End the trial of the challenger"
        case Action.SHADOW:
            return f"Score with version {wanted.version} for the log only"
        case Action.END_SHADOW:
            return "Stop scoring with the shadow"
        case Action.ROLL_BACK:
            return "Roll back the last change"


def _is_same(written: registry.Aliases, present: registry.Aliases) -> bool:
    """Compare aliases of the history with the present ones, which name the version that serves where the file names none."""
    if not written.champion:
        present = msgspec.structs.replace(present, champion="") if not present.versions[1:] else present
    return written == present


def _is_percentage(text: str) -> bool:
    digits = text.replace(".", "", 1)
    return digits.isascii() and digits.isdigit() and len(digits) <= _MAX_DIGITS and 0.0 <= float(text) <= 100.0
