"""The keys of a declared feature, and their types."""

from __future__ import annotations

from typing import Any

import msgspec

__all__ = ["FeatureShape"]


class FeatureShape(msgspec.Struct, forbid_unknown_fields=True, kw_only=True):
    """One line of the table ``[features]``, as it is written."""

    aggregate: str
    over: str
    of: str | None = None
    events: list[str] | None = None
    where: dict[str, Any] | None = None
    values: list[str] | None = None
    cap: int | None = None
    half_life_days: float | None = None
    unit: str | None = None
    default: float = 0.0
