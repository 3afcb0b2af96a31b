"""Which version serves a visitor: a function of the visitor's id and the aliases, the same in every process."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import NamedTuple

from presage_export.registry.aliases import Aliases

__all__ = ["Arm", "Assignment", "assign", "propensity_of"]

_UNITS = 1 << 64
_HOLDOUT, _CHALLENGER = b"holdout", b"challenger"


class Arm(IntEnum):
    """Which of a model's versions a visitor gets. The numbers are those of ``presage.v1.Arm``, and are stored."""

    NONE = 0
    """The champion serves everyone."""
    CHAMPION = 1
    CHALLENGER = 2
    HOLDOUT = 3


class Assignment(NamedTuple):
    """The arm of a visitor, and how likely it was."""

    arm: Arm
    propensity: float
    """The share of visitors that get this arm."""


def assign(aliases: Aliases, user_id: str) -> Assignment:
    """Assign a visitor to an arm.

    Who is held out depends on the visitor's id alone, so that a visitor stays held out from one experiment to the next; who gets
    the challenger depends on the salt, too, so that each experiment draws visitors of its own.
    """
    arm = _arm(aliases, user_id)
    return Assignment(arm, propensity_of(aliases, arm))


def propensity_of(aliases: Aliases, arm: Arm) -> float:
    """Return the share of visitors that get an arm."""
    held_out, share = aliases.holdout_share, aliases.challenger_share
    match arm:
        case Arm.HOLDOUT:
            return held_out
        case Arm.CHALLENGER:
            return (1.0 - held_out) * share
        case Arm.CHAMPION:
            return (1.0 - held_out) * (1.0 - share)
        case Arm.NONE:
            return 1.0


def _arm(aliases: Aliases, user_id: str) -> Arm:
    if aliases.holdout_share and _draw(_HOLDOUT, "", user_id) < aliases.holdout_share:
        return Arm.HOLDOUT
    if aliases.challenger:
        chosen = _draw(_CHALLENGER, aliases.salt, user_id) < aliases.challenger_share
        return Arm.CHALLENGER if chosen else Arm.CHAMPION
    return Arm.CHAMPION if aliases.holdout_share else Arm.NONE


def _draw(purpose: bytes, salt: str, user_id: str) -> float:
    """Draw a number from 0 to below 1 for a visitor, evenly spread over visitors."""
    hashed = hashlib.blake2b(user_id.encode(), digest_size=8, key=salt.encode()[:64], person=purpose)
    # 53 bits are what a float holds: all 64 could be rounded up to 1.
    return (int.from_bytes(hashed.digest()) >> 11) / (_UNITS >> 11)
