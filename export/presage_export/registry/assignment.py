"""Which version serves a visitor: a function of the visitor's id and the aliases, the same in every process."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from typing import NamedTuple

from presage_export.registry.aliases import Aliases

__all__ = ["Arm", "Assignment", "assign"]

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


_EVERYONE = Assignment(Arm.NONE, 1.0)


def assign(aliases: Aliases, user_id: str) -> Assignment:
    """Assign a visitor to an arm.

    Who is held out depends on the visitor's id alone, so that a visitor stays held out from one experiment to the next; who gets
    the challenger depends on the salt, too, so that each experiment draws visitors of its own.
    """
    held_out = aliases.holdout_share
    if held_out and _draw(_HOLDOUT, "", user_id) < held_out:
        return Assignment(Arm.HOLDOUT, held_out)
    if not aliases.challenger:
        return Assignment(Arm.CHAMPION, 1.0 - held_out) if held_out else _EVERYONE
    share = aliases.challenger_share
    if _draw(_CHALLENGER, aliases.salt, user_id) < share:
        return Assignment(Arm.CHALLENGER, (1.0 - held_out) * share)
    return Assignment(Arm.CHAMPION, (1.0 - held_out) * (1.0 - share))


def _draw(purpose: bytes, salt: str, user_id: str) -> float:
    """Draw a number from 0 to below 1 for a visitor, evenly spread over visitors."""
    hashed = hashlib.blake2b(user_id.encode(), digest_size=8, key=salt.encode()[:64], person=purpose)
    # 53 bits are what a float holds: all 64 could be rounded up to 1.
    return (int.from_bytes(hashed.digest()) >> 11) / (_UNITS >> 11)
