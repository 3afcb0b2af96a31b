"""Types of arguments, checked where they are given: the messages name the argument, what was expected, and what came."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from enum import IntEnum
from typing import Any, Final

__all__ = [
    "check_flag",
    "check_instance",
    "check_integers",
    "check_items",
    "check_labels",
    "check_member",
    "check_members",
    "check_named_numbers",
    "check_numbers",
    "check_text",
    "check_text_sequence",
    "check_texts",
    "check_token",
    "to_unix_micros",
]

_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_NOT_IN_TOKENS: Final = re.compile(r"[^!-~]")
_MICROSECOND: Final = timedelta(microseconds=1)


def check_texts(holder: Any, names: Sequence[str]) -> None:
    """Check that attributes are strings.

    Raises:
        TypeError: One is not; the message names it.
    """
    for name in names:
        check_text(name, getattr(holder, name))


def check_text(name: str, value: Any) -> None:
    """Check that an argument is a string.

    Raises:
        TypeError: It is not; the message names the argument.
    """
    if not isinstance(value, str):
        raise _wrong_type(name, "a string", value)


def check_token(value: Any) -> None:
    """Check that a token can be sent as metadata.

    Raises:
        TypeError: It is not a string.
        ValueError: It is not one word of printable ASCII; the message does not repeat it.
    """
    if not isinstance(value, str):
        raise TypeError(f"token: expected a string, got a value of type {type(value).__name__}")
    if _NOT_IN_TOKENS.search(value):
        raise ValueError("token: expected one word of printable ASCII, got spaces or other characters")


def check_numbers(holder: Any, names: Sequence[str]) -> None:
    """Check that attributes are numbers: of Python, NumPy or ``decimal``.

    Raises:
        TypeError: One is not; the message names it.
    """
    for name in names:
        value = getattr(holder, name)
        if type(value) is not float:
            _check_number(name, value)


def check_integers(holder: Any, names: Sequence[str]) -> None:
    """Check that attributes are integers, of Python or NumPy.

    Raises:
        TypeError: One is not; the message names it.
    """
    for name in names:
        value = getattr(holder, name)
        if type(value) is not int and not _is_integer(value):
            raise _wrong_type(name, "an integer", value)


def check_member(name: str, value: Any, kind: type[IntEnum]) -> None:
    """Check that an argument is a member of an enum, or a number, which a newer server may know.

    Raises:
        TypeError: It is neither; the message names the argument.
    """
    if not _is_integer(value):
        raise _wrong_type(name, f"a member of {kind.__name__}", value)


def check_members(name: str, values: Any, kind: type[IntEnum]) -> None:
    """Check that an argument is a list, a tuple or another sequence of members of an enum.

    Raises:
        TypeError: It is not; the message names the argument, or the first wrong one of its elements.
    """
    _check_sequence(name, values, f"a sequence of {kind.__name__}")
    for position, value in enumerate(values):
        check_member(f"{name}[{position}]", value, kind)


def check_flag(name: str, value: Any) -> None:
    """Check that an argument is true or false.

    Raises:
        TypeError: It is not; the message names the argument.
    """
    if not isinstance(value, bool):
        raise _wrong_type(name, "True or False", value)


def check_text_sequence(name: str, values: Any) -> None:
    """Check that an argument is a list, a tuple or another sequence of strings, and not a string, whose letters would be taken.

    Raises:
        TypeError: It is not; the message names the argument, or the first wrong one of its elements.
    """
    _check_sequence(name, values, "a sequence of strings")
    for position, value in enumerate(values):
        check_text(f"{name}[{position}]", value)


def check_instance(name: str, value: Any, kind: type[Any]) -> None:
    """Check that an argument is of a class.

    Raises:
        TypeError: It is not; the message names the argument.
    """
    if not isinstance(value, kind):
        article = "an" if kind.__name__[0] in "AEIOU" else "a"
        raise _wrong_type(name, f"{article} {kind.__name__}", value)


def check_items(name: str, values: Any, kind: type[Any]) -> None:
    """Check that an argument is a list, a tuple or another sequence of instances of a class.

    Raises:
        TypeError: It is not; the message names the argument, or the first wrong one of its elements.
    """
    _check_sequence(name, values, f"a sequence of {kind.__name__}")
    for position, value in enumerate(values):
        check_instance(f"{name}[{position}]", value, kind)


def _check_sequence(name: str, values: Any, expected: str) -> None:
    # An iterator would be empty when the same object is sent a second time.
    if isinstance(values, str | bytes) or not isinstance(values, Sequence):
        raise _wrong_type(name, expected, values)


def check_named_numbers(name: str, values: Any) -> None:
    """Check that an argument is a dict, or another mapping, of names and numbers.

    Raises:
        TypeError: It is not; the message names the argument, or the first wrong one of its values.
    """
    _check_mapping(name, values, "a mapping of names and numbers")
    for key, value in values.items():
        if type(value) is not float:
            _check_number(f'{name}["{key}"]', value)


def check_labels(name: str, values: Any) -> None:
    """Check that an argument is a dict, or another mapping, of names and strings.

    Raises:
        TypeError: It is not; the message names the argument, or the first wrong one of its values.
    """
    _check_mapping(name, values, "a mapping of names and strings")
    for key, value in values.items():
        check_text(f'{name}["{key}"]', value)


def _check_mapping(name: str, values: Any, expected: str) -> None:
    if not isinstance(values, Mapping):
        raise _wrong_type(name, expected, values)
    for key in values:
        if not isinstance(key, str):
            raise _wrong_type(f"{name}: a name", "a string", key)


def to_unix_micros(name: str, moment: Any) -> int:
    """Return a moment in microseconds since 1970-01-01 UTC.

    Args:
        name: The argument, for messages.
        moment: Such a number already, or a ``datetime`` with a time zone.

    Raises:
        TypeError: It is neither.
        ValueError: It is a ``datetime`` without a time zone, or one that is not after 1970-01-01 UTC.
    """
    if isinstance(moment, datetime):
        if moment.utcoffset() is None:
            raise ValueError(
                f"{name}: expected a datetime with a time zone, got {moment!r}; "
                "name its zone, as in datetime.now(UTC) or moment.replace(tzinfo=ZoneInfo('Europe/London'))"
            )
        micros = (moment - _EPOCH) // _MICROSECOND
        if micros <= 0:  # 0 would be the server's clock
            raise ValueError(f"{name}: expected a datetime after 1970-01-01 UTC, got {moment!r}")
        return micros
    if type(moment) is not int and not _is_integer(moment):
        raise _wrong_type(name, "an integer of microseconds or a datetime with a time zone", moment)
    return int(moment)


def _is_integer(value: Any) -> bool:
    return hasattr(type(value), "__index__") and not isinstance(value, bool)


def _is_number(value: Any) -> bool:
    return _is_integer(value) or (hasattr(type(value), "__float__") and not isinstance(value, bool))


def _check_number(name: str, value: Any) -> None:
    if not _is_number(value):
        raise _wrong_type(name, "a number", value)
    try:
        float(value)
    except OverflowError:
        # Not the number itself, which may have more digits than Python writes.
        raise TypeError(f"{name}: expected a number that a float can hold, got one that is too large") from None


def _wrong_type(name: str, expected: str, value: Any) -> TypeError:
    return TypeError(f"{name}: expected {expected}, got {value!r}, which is of type {type(value).__name__}")
