"""Settings of access: the tokens, and what is open without one."""

from __future__ import annotations

from typing import Final

from presage_server.access.scopes import OpenPart
from presage_server.errors import SettingsError

__all__ = ["parse_open_parts"]

_NOTHING: Final = "none"


def parse_open_parts(text: str) -> frozenset[OpenPart]:
    """Return what is open without a token, as ``open_without_token`` says it.

    Raises:
        SettingsError: There is no such part.
    """
    if text == _NOTHING:
        return frozenset()
    names = [name.strip() for name in text.split(",")]
    known = [part.value for part in OpenPart]
    if unknown := [name for name in names if name not in known]:
        raise SettingsError(
            f"open_without_token: expected {_NOTHING}, or some of {', '.join(known)} with commas between, got {unknown[0]!r}"
        )
    return frozenset(map(OpenPart, names))
