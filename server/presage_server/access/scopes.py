"""Scopes of tokens, and callers."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum

__all__ = ["OpenPart", "Principal", "Scope"]


class Scope(StrEnum):
    """What a token allows."""

    TRACK = "track"
    """Events of visitors are sent."""
    SCORE = "score"
    """Scores, features, explanations and ranked lists are read."""
    ADMIN = "admin"
    """Models are read and changed, and catalogue items are written."""


class OpenPart(StrEnum):
    """What can be open to callers without a token; where it is not, any token opens it."""

    HEALTH = "health"
    REFLECTION = "reflection"
    METRICS = "metrics"


@dataclass(frozen=True, slots=True)
class Principal:
    """The caller that a token identifies."""

    name: str
    """The token's name."""
    scopes: frozenset[Scope]
