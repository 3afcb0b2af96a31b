"""Checks of an event's attributes: the numbers and labels that a shop names itself."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from presage_featurizer.events import ATTRIBUTE_NAME
from presage_server.errors import InvalidRequestError
from presage_server.rpc.limits import MAX_ATTRIBUTES, MAX_LABEL_BYTES, MAX_NUMBER

__all__ = ["decode_labels", "decode_numbers"]

_MAX_SHOWN_CHARACTERS = 64


def decode_numbers(numbers: Mapping[str, float], field: str) -> dict[str, float]:
    """Check an event's numbers; return them in the order of their names.

    Raises:
        InvalidRequestError: There are too many, or a name or a number breaks the contract; the error names it.
    """
    decoded = {}
    for name in _decode_names(numbers, field):
        number = decoded[name] = numbers[name]
        if not -MAX_NUMBER <= number <= MAX_NUMBER:  # nor is NaN in that range
            raise InvalidRequestError(
                f"expected a number from {-MAX_NUMBER:g} to {MAX_NUMBER:g}, got {number:g}", field=f'{field}["{name}"]'
            )
    return decoded


def decode_labels(labels: Mapping[str, str], field: str) -> dict[str, str]:
    """Check an event's labels; return them in the order of their names.

    Raises:
        InvalidRequestError: There are too many, or a name or a label breaks the contract; the error names it.
    """
    decoded = {}
    for name in _decode_names(labels, field):
        label = decoded[name] = labels[name]
        # No character takes more than four bytes.
        if len(label) * 4 > MAX_LABEL_BYTES and (size := len(label.encode())) > MAX_LABEL_BYTES:
            raise InvalidRequestError(
                f"expected at most {MAX_LABEL_BYTES} bytes, got {size}", field=f'{field}["{name}"]'
            )
    return decoded


def _decode_names(attributes: Collection[str], field: str) -> list[str]:
    if len(attributes) > MAX_ATTRIBUTES:
        raise InvalidRequestError(f"expected at most {MAX_ATTRIBUTES}, got {len(attributes)}", field=field)
    names = sorted(attributes)
    for name in names:
        if not ATTRIBUTE_NAME.fullmatch(name):
            raise InvalidRequestError(
                "expected names of a lowercase letter and up to 31 lowercase letters, digits and underscores, "
                f"got {name[:_MAX_SHOWN_CHARACTERS]!r}",
                field=field,
            )
    return names
