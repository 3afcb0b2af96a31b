"""Numbers and labels of events in JSON lines: an invalid one costs the value, not the event."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from presage_featurizer.events import ATTRIBUTE_NAME, MAX_ATTRIBUTES, MAX_LABEL_BYTES, MAX_NUMBER
from presage_training.quoting import printable

__all__ = ["valid_labels", "valid_numbers"]

_MAX_SHOWN_CHARACTERS = 40

Lost = Callable[[str, str, str], None]
"""Called with the kind of the fault, its detail, and the content."""


def valid_numbers(numbers: Mapping[str, Any], lost: Lost) -> dict[str, float]:
    """Return the valid numbers in the order of their names, and report the others."""
    return {name: float(number) for name, number in _valid(numbers, "numbers", _number_fault, lost).items()}


def valid_labels(labels: Mapping[str, Any], lost: Lost) -> dict[str, str]:
    """Return the valid labels in the order of their names, and report the others."""
    return _valid(labels, "labels", _label_fault, lost)


def _valid(
    attributes: Mapping[str, Any], field: str, fault_of: Callable[[Any], tuple[str, str] | None], lost: Lost
) -> dict[str, Any]:
    valid: dict[str, Any] = {}
    for name, value in sorted(attributes.items()):
        shown = printable(name, most=_MAX_SHOWN_CHARACTERS)
        if not ATTRIBUTE_NAME.fullmatch(name):
            what = (
                f"expected a lowercase letter, then up to 31 lowercase letters, digits and underscores, got {shown!r}"
            )
            lost(f"invalid name in {field!r}", repr(shown), what)
        elif fault := fault_of(value):
            problem, expected = fault
            quoted = repr(printable(str(value), most=_MAX_SHOWN_CHARACTERS))
            lost(f"{problem} in {f'{field}.{name}'!r}", quoted, f"expected {expected}, got {quoted}")
        elif len(valid) == MAX_ATTRIBUTES:
            lost(f"more than {MAX_ATTRIBUTES} {field}", "the last ones by name", f"{field}.{name}")
        else:
            valid[name] = value
    return valid


def _number_fault(value: Any) -> tuple[str, str] | None:
    if isinstance(value, bool) or not isinstance(value, int | float):
        return "unreadable number", "a number"
    if not -MAX_NUMBER <= value <= MAX_NUMBER:
        return "number out of range", f"a number from {-MAX_NUMBER:g} to {MAX_NUMBER:g}"
    return None


def _label_fault(value: Any) -> tuple[str, str] | None:
    if not isinstance(value, str):
        return "unreadable label", "text"
    if len(value.encode()) > MAX_LABEL_BYTES:
        return "label that is too long", f"at most {MAX_LABEL_BYTES} bytes"
    return None
