"""Exponential decay that every machine computes to the same bit."""

from __future__ import annotations

__all__ = ["halved"]

_FORGOTTEN_AFTER_HALVINGS = 64


def halved(age_micros: int, half_life_micros: int) -> float:
    """Tell what is left of 1 after a time: 1 at once, a half after each half-life; straight lines in between.

    The straight lines stay within 6.2 % of 2 ** (-age / half_life). Unlike a power, they need only operations that IEEE 754 rounds
    in one way, so a state that was folded on one machine is the same, bit for bit, when it is replayed on another.
    """
    halvings, rest = divmod(max(age_micros, 0), half_life_micros)
    if halvings >= _FORGOTTEN_AFTER_HALVINGS:
        return 0.0
    return (1.0 - rest / half_life_micros / 2.0) / (1 << halvings)
