"""The catalogue: every feature by name, with what a reader of a vector must know of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

from presage_featurizer.view import View

__all__ = ["CATALOGUE", "Feature", "FeatureFunction", "Scope", "feature"]

FeatureFunction = Callable[[View], float]
Scope = Literal["visitor", "habits", "session", "cart", "calendar"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    """One named feature."""

    name: str
    """Unique in the catalogue; the name of its function."""
    meaning: str
    """What it says, in one line; the docstring of its function."""
    unit: str
    """What it is counted in."""
    scope: Scope
    """What it is about."""
    low: float
    """The smallest value it can have."""
    high: float
    """The largest value it can have; inf where nothing bounds it."""
    default: float | None
    """Its value for a visitor without history; None where the moment alone decides."""
    version: int
    """Goes up when its definition changes, so that a model trained on the old one is refused."""
    compute: FeatureFunction
    """The function itself: finite for every state and every moment."""


CATALOGUE: dict[str, Feature] = {}
"""Every feature by name, in the order of definition. Filled when ``presage_featurizer`` is imported; do not change it."""


def feature(
    *,
    unit: str,
    scope: Scope,
    low: float = 0.0,
    high: float = inf,
    default: float | None = 0.0,
    version: int = 1,
) -> Callable[[FeatureFunction], FeatureFunction]:
    """Enter the decorated function into the catalogue, under its own name and with its docstring as the meaning."""

    def enter(function: FeatureFunction) -> FeatureFunction:
        name = function.__name__
        assert name not in CATALOGUE, name
        assert function.__doc__, name
        CATALOGUE[name] = Feature(
            name=name,
            meaning=function.__doc__.strip().splitlines()[0],
            unit=unit,
            scope=scope,
            low=low,
            high=high,
            default=default,
            version=version,
            compute=function,
        )
        return function

    return enter
