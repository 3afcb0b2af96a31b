"""Which version serves a visitor: a function of the visitor's id and the aliases, the same in every process."""

from __future__ import annotations

import hashlib
from enum import IntEnum
from math import ceil
from typing import NamedTuple

from presage_export.registry.aliases import Aliases

__all__ = ["Arm", "Assignment", "Draws", "assign", "propensity_of"]

_DIGEST_BYTES = 8
_FLOAT_BITS = 53
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


class Draws:
    """Assigns visitors to the arms of some aliases; see ``assign``. Made once: each visitor then takes half as long."""

    __slots__ = ("_below", "_challenger", "_held_out_below", "_holdout", "_otherwise")

    def __init__(self, aliases: Aliases) -> None:
        self._holdout, self._held_out_below = _hasher(_HOLDOUT, ""), _ceiling(aliases.holdout_share)
        self._challenger = _hasher(_CHALLENGER, aliases.salt)
        self._below = _ceiling(aliases.challenger_share if aliases.challenger else 0.0)
        self._otherwise = Arm.CHAMPION if aliases.challenger or aliases.holdout_share else Arm.NONE

    def arm(self, user_id: str) -> Arm:
        """Find the arm of a visitor."""
        encoded = user_id.encode()
        if self._held_out_below:
            hasher = self._holdout.copy()
            hasher.update(encoded)
            if hasher.digest() < self._held_out_below:
                return Arm.HOLDOUT
        if self._below:
            hasher = self._challenger.copy()
            hasher.update(encoded)
            if hasher.digest() < self._below:
                return Arm.CHALLENGER
        return self._otherwise


def assign(aliases: Aliases, user_id: str) -> Assignment:
    """Assign a visitor to an arm.

    Who is held out depends on the visitor's id alone, so that a visitor stays held out from one experiment to the next; who gets
    the challenger depends on the salt, too, so that each experiment draws visitors of its own.
    """
    arm = Draws(aliases).arm(user_id)
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


def _hasher(purpose: bytes, salt: str) -> hashlib.blake2b:
    return hashlib.blake2b(digest_size=_DIGEST_BYTES, key=salt.encode()[:64], person=purpose)


def _ceiling(share: float) -> bytes:
    """Return what the digests of a share of the visitors are below, as bytes compare; empty if of none.

    The first 53 bits of a digest, which are what a float holds, are a number from 0 to below 1: below the share, or not.
    """
    if share >= 1.0:
        return b"\xff" * (_DIGEST_BYTES + 1)
    number = ceil(share * 2.0**_FLOAT_BITS) << (8 * _DIGEST_BYTES - _FLOAT_BITS)
    return number.to_bytes(_DIGEST_BYTES) if number else b""
