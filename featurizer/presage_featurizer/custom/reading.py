"""Reading slots as features: one generated function for each declared feature.

They are source text, so that the row writer inlines them as it does the features of the catalogue.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterable, Mapping
from math import inf
from typing import cast

from presage_featurizer.catalogue import Feature, FeatureFunction
from presage_featurizer.codegen import load_functions
from presage_featurizer.custom.declared import UNITS, Declared
from presage_featurizer.decay import decay_factor
from presage_featurizer.digests import WIDTH

__all__ = ["READER_PREFIX", "declared_features"]

READER_PREFIX = "_aggregate_"
"""The functions' names begin with it, so that they cannot be keywords or names of a ``features.py``."""

_NOT_NEGATIVE = ("count", "distinct", "time_since_last")


def declared_features(declared: Iterable[Declared]) -> dict[str, Feature]:
    """Make the features of a declaration, by name."""
    all_declared = tuple(declared)
    namespace: dict[str, object] = {"decay_factor": decay_factor}
    text = "".join(_source(each, namespace) for each in all_declared)
    functions = _load(text, namespace)
    return {each.name: _feature(each, functions) for each in all_declared}


def _load(text: str, namespace: dict[str, object]) -> Mapping[str, object]:
    places = repr(sorted((name, value) for name, value in namespace.items() if isinstance(value, dict)))
    number = hashlib.sha256((text + places).encode()).hexdigest()[:16]
    return load_functions(f"presage_featurizer.custom.declared_{number}", ast.parse(text), text, namespace)


def _source(declared: Declared, namespace: dict[str, object]) -> str:
    """Write the function that reads a slot."""
    aggregate = declared.aggregate
    slots = "view.session.slots" if aggregate.over == "session" else "view.state.slots"
    head = f"def {READER_PREFIX}{declared.name}(view):\n"
    if aggregate.kind == "count":
        return f"{head}    return {slots}.get({aggregate.key}, {declared.default!r})\n"
    if declared.values:
        namespace[f"places_of_{declared.name}"] = {text: place for place, text in enumerate(declared.values, start=1)}
    return (
        f"{head}    kept = {slots}.get({aggregate.key})\n"
        f"    return {declared.default!r} if kept is None else {_value(declared)}\n"
    )


def _value(declared: Declared) -> str:
    """Write the feature's value, given what the slot keeps."""
    aggregate = declared.aggregate
    attribute = aggregate.attribute
    scale = 1 if attribute is None else attribute.scale
    match aggregate.kind:
        case "distinct":
            return f"len(kept) // {WIDTH}"
        case "decayed_sum":
            age = "view.now_unix_micros - kept.unix_micros"
            return f"kept.value * decay_factor({age}, {aggregate.half_life_micros})"
        case "time_since_last":
            return f"max(0, view.now_unix_micros - kept.unix_micros) / {UNITS[declared.unit]}"
        case "last" if declared.values:
            return f"places_of_{declared.name}.get(kept.value, 0)"
        case "last":
            value = "kept.value"
        case _:
            value = "kept"
    return value if scale == 1 else f"{value} / {scale}"


def _feature(declared: Declared, functions: Mapping[str, object]) -> Feature:
    aggregate = declared.aggregate
    low = 0.0 if aggregate.kind in _NOT_NEGATIVE or declared.values else -inf
    high = inf
    if aggregate.kind == "distinct":
        high = float(aggregate.cap)
    elif declared.values:
        high = float(len(declared.values))
    return Feature(
        name=declared.name,
        meaning=_meaning(declared),
        unit=declared.unit,
        scope=aggregate.over,
        low=min(low, declared.default),
        high=max(high, declared.default),
        default=declared.default,
        version=1,
        compute=cast("FeatureFunction", functions[READER_PREFIX + declared.name]),
    )


def _meaning(declared: Declared) -> str:
    aggregate = declared.aggregate
    events = " and ".join(kind.name for kind in aggregate.events)
    return "".join(
        (
            f"Declared: {aggregate.kind}",
            f" of {aggregate.of}" if aggregate.of else "",
            f" over the {aggregate.over}",
            f", {events} events" if events else "",
            f", where {' and '.join(each.attribute for each in aggregate.where)} fits" if aggregate.where else "",
            ".",
        )
    )
