"""Times as messages and reports show them."""

from __future__ import annotations

from datetime import UTC, datetime

from presage_featurizer import MICROS

__all__ = ["format_time"]


def format_time(unix_micros: int) -> str:
    """Format a time, as ``2026-01-31 18:05 UTC``."""
    return datetime.fromtimestamp(unix_micros / MICROS, UTC).strftime("%Y-%m-%d %H:%M UTC")
