"""Exponential decay that every machine computes to the same bit."""

from __future__ import annotations

__all__ = ["decay_factor"]

_MAX_HALVINGS = 64


def decay_factor(age_micros: int, half_life_micros: int) -> float:
    """Return how much of 1 remains after a time: 1 at first, half after each half-life, linear in between.

    The linear pieces stay within 6.2 % of 2 ** (-age / half_life). Unlike a power, they need only operations that IEEE 754 rounds
    in one way, so a state that was folded on one machine is the same, bit for bit, when it is replayed on another.
    """
    if age_micros <= 0:
        return 1.0
    halvings, rest = divmod(age_micros, half_life_micros)
    if halvings >= _MAX_HALVINGS:
        return 0.0
    return (1.0 - rest / half_life_micros / 2.0) / (1 << halvings)
