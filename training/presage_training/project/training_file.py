"""``training.toml``: what a project's models predict, by the names of the flags of ``presage train``."""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from difflib import get_close_matches
from pathlib import Path
from types import MappingProxyType
from typing import Any, Final

from presage_training.errors import ProjectError
from presage_training.quoting import printable

__all__ = ["LOG_KEYS", "MEASURING_KEYS", "TRAINING_KEYS", "read_training_file"]

_TYPES: Final[Mapping[str, type]] = MappingProxyType(
    {
        "target": str,
        "decisions": str,
        "known_only": bool,
        "models": str,
        "calibration": str,
        "draws": int,
        "seed": int,
        "workers": int,
        "format": str,
        "sort": bool,
        "as_recorded": bool,
    }
)
_EXPECTED = {str: "text in quotes", bool: "true or false", int: "a whole number"}

TRAINING_KEYS: Final = frozenset(_TYPES)
"""All of them."""

LOG_KEYS: Final = frozenset({"sort", "as_recorded"})
"""How a log is read."""

MEASURING_KEYS: Final = LOG_KEYS | {"draws", "seed", "workers"}
"""What a measurement takes; target and decision points are those that the bundle was trained for."""


def read_training_file(path: Path) -> dict[str, Any]:
    """Read the file; empty if there is none.

    Raises:
        ProjectError: It is not TOML, or has an unknown key or a value of the wrong type.
    """
    try:
        values = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return {}
    except OSError as error:
        raise ProjectError(f"{path}: {error.strerror or error}; name a project that can be read") from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise ProjectError(f"{path}: not a readable TOML file ({error})") from error
    return {key: _checked(path, key, value) for key, value in values.items()}


def _checked(path: Path, key: str, value: Any) -> Any:
    if key not in _TYPES:
        near = get_close_matches(key, _TYPES, n=1)
        advice = f"is {near[0]!r} meant?" if near else f"expected some of {', '.join(_TYPES)}"
        raise ProjectError(f"{path}: unknown key {printable(key)!r}; {advice}")
    expected = _TYPES[key]
    if key == "models" and isinstance(value, list) and all(isinstance(kind, str) for kind in value):
        return ",".join(value)
    if not isinstance(value, expected) or (isinstance(value, bool) and expected is not bool):
        raise ProjectError(f"{path}: {key}: expected {_EXPECTED[expected]}, got {printable(repr(value))}")
    return value
