"""The catalogue: every feature by name, with its meaning, unit, range and version."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf
from typing import Literal

from presage_featurizer.view import View

__all__ = ["CATALOGUE", "Feature", "FeatureFunction", "Scope", "feature"]

FeatureFunction = Callable[[View], float]
Scope = Literal["visitor", "habits", "items", "session", "cart", "calendar"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Feature:
    name: str
    """Unique in the catalogue; the name of its function."""
    meaning: str
    """One line; the docstring of its function."""
    unit: str
    scope: Scope
    """The data it is computed from."""
    low: float
    """Its smallest possible value."""
    high: float
    """Its largest possible value; inf if unbounded."""
    default: float | None
    """Its value for a visitor without history; None if it depends only on the moment."""
    version: int
    """Increases when its definition changes, so that a model trained on the old one is rejected."""
    compute: FeatureFunction
    """A pure function, finite for every state and every moment."""


CATALOGUE: dict[str, Feature] = {}
"""Every feature by name, in order of definition. Filled when ``presage_featurizer`` is imported; do not modify it."""


def feature(
    *,
    unit: str,
    scope: Scope,
    low: float = 0.0,
    high: float = inf,
    default: float | None = 0.0,
    version: int = 1,
) -> Callable[[FeatureFunction], FeatureFunction]:
    """Add the decorated function to the catalogue, under its own name and with its docstring as the meaning."""

    def add(function: FeatureFunction) -> FeatureFunction:
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

    return add
