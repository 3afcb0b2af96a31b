"""Dataclass fields that carry what a setting means; checks, command-line options and reference tables are generated from them."""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from inspect import get_annotations
from typing import Any, TypeVar

from presage_server.errors import SettingsError

__all__ = [
    "PREFIX",
    "SettingField",
    "check_field",
    "check_settings",
    "flag_of",
    "setting",
    "setting_fields",
    "variable_of",
]

PREFIX = "PRESAGE_"
"""What the environment variables of settings start with."""

_KEY = "setting"
_Value = TypeVar("_Value")


@dataclass(frozen=True, kw_only=True, slots=True)
class SettingField:
    """One setting: a field of a settings dataclass, with what its declaration says."""

    name: str
    default: Any
    meaning: str
    """One or more sentences in Markdown, for ``--help`` and the reference page."""
    unit: str
    low: float | None
    """The least and the greatest value, both allowed; None where any value is."""
    high: float | None
    choices: tuple[str, ...]
    shown_default: str
    """What the help shows instead of the default; empty to show the default itself."""

    @property
    def allowed(self) -> str:
        """The allowed values without the unit, such as "1 to 600000"; empty if there is no rule."""
        if self.choices:
            return f"one of {', '.join(self.choices)}"
        return "" if self.low is None else f"{self.low} to {self.high}"

    def allows(self, value: Any) -> bool:
        """Return whether a value is one of the choices or within the bounds; NaN never is."""
        if self.choices:
            return value in self.choices
        return self.low is None or self.high is None or bool(self.low <= value <= self.high)


def setting(
    default: _Value,
    meaning: str,
    *,
    unit: str = "",
    low: float | None = None,
    high: float | None = None,
    choices: tuple[str, ...] = (),
    shown_default: str = "",
) -> _Value:
    """Declare a field of a settings dataclass; the arguments are those of ``SettingField``."""
    declared = {
        "meaning": meaning,
        "unit": unit,
        "low": low,
        "high": high,
        "choices": choices,
        "shown_default": shown_default,
    }
    return field(default=default, metadata={_KEY: declared})


def setting_fields(settings: type[Any]) -> list[SettingField]:
    """List the settings that a dataclass declares with ``setting``, in their order: its own, then those that it inherits."""
    own = get_annotations(settings)
    return [
        SettingField(name=declared.name, default=declared.default, **declared.metadata[_KEY])
        for declared in sorted(fields(settings), key=lambda declared: declared.name not in own)
        if _KEY in declared.metadata
    ]


def flag_of(name: str) -> str:
    """Return the option of a setting, such as ``--timeout-ms``."""
    return f"--{name.replace('_', '-')}"


def variable_of(name: str, prefix: str = PREFIX) -> str:
    """Return the environment variable of a setting, such as ``PRESAGE_TIMEOUT_MS``; other processes have a longer prefix."""
    return f"{prefix}{name.upper()}"


def check_settings(settings: Any) -> None:
    """Check every setting against its choices or bounds.

    Raises:
        SettingsError: A value is not allowed; the message names the field, the expected values and the given one.
    """
    for declared in setting_fields(type(settings)):
        value = getattr(settings, declared.name)
        if not declared.allows(value):
            raise SettingsError(f"{declared.name}: expected {declared.allowed}, got {value!r}")


def check_field(settings: object, name: str, holds: bool, expected: str) -> None:  # noqa: FBT001 - reads like an assertion
    """Check a field of settings that are not declared with ``setting``; a URL is not repeated, since it may hold a password.

    Raises:
        SettingsError: It does not hold.
    """
    if not holds:
        shown = "a URL of another kind" if name == "redis_url" else repr(getattr(settings, name))
        raise SettingsError(f"{name}: expected {expected}, got {shown}")
