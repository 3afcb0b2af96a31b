"""Random numbers that depend on a seed and on nothing else."""

from __future__ import annotations

from math import exp
from random import Random

__all__ = ["logistic", "random_stream"]


def random_stream(seed: int, name: str) -> Random:
    """Return the generator called ``name`` of the simulation with this seed; streams of different names are independent.

    A text seed is digested with SHA-512, so the numbers do not depend on PYTHONHASHSEED.
    """
    return Random(f"{seed}/{name}")  # noqa: S311 - behaviour is simulated, no secret is made


def logistic(log_odds: float) -> float:
    """Turn log-odds, of any usual size, into a probability."""
    return 1.0 / (1.0 + exp(-log_odds))
