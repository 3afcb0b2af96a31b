"""The conditions of a declared feature: its table ``where``."""

from __future__ import annotations

import re
from typing import Any, TypeGuard

from presage_featurizer.aggregates import Attribute, Condition, attribute_named
from presage_featurizer.aggregates.attributes import FIXED_ATTRIBUTES
from presage_featurizer.errors import FeatureSetError
from presage_featurizer.events import Device

__all__ = ["read_conditions"]

_COUNTRY = re.compile("[A-Z]{2}")
_DEVICES = tuple(device.name for device in Device if device)
_MAX_VALUES = 256
_MAX_BOUND = 1e12


def read_conditions(key: str, where: dict[str, Any] | None) -> tuple[Condition, ...]:
    """Check conditions, and bring them into the order of their names.

    Raises:
        FeatureSetError: An attribute or a value is wrong; the message names it.
    """
    if where is None:
        return ()
    return tuple(_condition(f"{key}.where.{name}", name, where[name]) for name in sorted(where))


def _condition(key: str, name: str, given: Any) -> Condition:
    attribute = attribute_named(name)
    if attribute is None:
        known = ", ".join(["numbers.NAME", "labels.NAME", *FIXED_ATTRIBUTES])
        raise FeatureSetError(f"{key}: expected one of {known}")
    if isinstance(given, dict):
        return _bounds(key, attribute, given)
    values = given if isinstance(given, list) else [given]
    if not 1 <= len(values) <= _MAX_VALUES:
        raise FeatureSetError(f"{key}: expected 1 to {_MAX_VALUES} values, got {len(values)}")
    return Condition(attribute=name, values=tuple(sorted({_value(key, attribute, value) for value in values})))


def _bounds(key: str, attribute: Attribute, given: dict[str, Any]) -> Condition:
    if attribute.kind != "number":
        raise FeatureSetError(f"{key}: expected a text or a list of texts; min and max are for numbers")
    unknown = given.keys() - {"min", "max"}
    if unknown or not given:
        raise FeatureSetError(f"{key}: expected min, max or both, got {sorted(given)}")
    for name, bound in given.items():
        if not _is_number(bound):
            raise FeatureSetError(f"{key}.{name}: expected a number of at most {_MAX_BOUND:g}, got {_shown(bound)}")
    low, high = given.get("min"), given.get("max")
    if low is not None and high is not None and low > high:
        raise FeatureSetError(f"{key}: expected min to be at most max, got {low} and {high}")
    return Condition(
        attribute=attribute.name,
        low=None if low is None else float(low),
        high=None if high is None else float(high),
    )


def _value(key: str, attribute: Attribute, value: Any) -> str | float:
    if attribute.kind == "number":
        if not _is_number(value):
            raise FeatureSetError(
                f"{key}: expected a number, a list of numbers, or {{ min = .., max = .. }}, got {_shown(value)}"
            )
        return float(value)
    if not isinstance(value, str) or not value:
        raise FeatureSetError(f"{key}: expected a text or a list of texts, got {_shown(value)}")
    if attribute.kind == "device" and value not in _DEVICES:
        raise FeatureSetError(f"{key}: expected one of {', '.join(_DEVICES)}, got {value!r}")
    if attribute.name == "country" and not _COUNTRY.fullmatch(value):
        raise FeatureSetError(f"{key}: expected two capital letters, such as GB, got {value!r}")
    return value


def _is_number(value: Any) -> TypeGuard[float]:
    is_number = isinstance(value, int | float) and not isinstance(value, bool)
    return is_number and abs(value) <= _MAX_BOUND  # false for nan


def _shown(value: object) -> str:
    # Python does not write integers of more than 4,300 digits.
    return (
        f"an integer of {value.bit_length()} bits"
        if isinstance(value, int) and abs(value) > _MAX_BOUND
        else repr(value)
    )
