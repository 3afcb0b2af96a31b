"""The decorator that marks the features in a project's ``features.py``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from math import inf

from presage_featurizer.catalogue import FeatureFunction

__all__ = ["FeatureOptions", "feature", "options_of"]

_OPTIONS = "presage_feature"


@dataclass(frozen=True, kw_only=True, slots=True)
class FeatureOptions:
    """What a project says of one of its features, beside its name and meaning."""

    unit: str
    low: float
    high: float
    default: float | None


def feature(
    *, unit: str = "number", low: float = -inf, high: float = inf, default: float | None = None
) -> Callable[[FeatureFunction], FeatureFunction]:
    """Mark a function as a feature, under its own name and with the first line of its docstring as the meaning.

    Args:
        unit: What it counts or measures.
        low: Its smallest possible value.
        high: Its largest possible value.
        default: Its value for a visitor without history; None if it depends on the moment.
    """
    options = FeatureOptions(unit=unit, low=low, high=high, default=default)

    def mark(function: FeatureFunction) -> FeatureFunction:
        setattr(function, _OPTIONS, options)
        return function

    return mark


def options_of(function: object) -> FeatureOptions | None:
    """Return the options of a function; None if it is not marked as a feature."""
    options = getattr(function, _OPTIONS, None)
    return options if isinstance(options, FeatureOptions) else None
