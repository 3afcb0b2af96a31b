"""How to archive."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from presage_server.setting_fields import check_field
from presage_server.store.urls import STORE_SCHEMES

__all__ = ["ArchiveSettings"]


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveSettings:
    """The settings of ``presage archive``.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    to: Path
    """The archive's folder; created if it does not exist."""
    redis_url: str
    """The store that the servers use; see ``presage_server.store.urls``."""
    once: bool = False
    """Whether to end when everything in the streams is archived."""
    flush_seconds: float = 60.0
    """How often files are written: less often gives fewer and larger files, more often makes events available sooner."""
    max_batch_events: int = 100_000
    """Files are written sooner when this many events wait; also what a reader must hold in memory at once."""
    report_seconds: float = 10.0
    """How often a line of progress is printed when there is no terminal."""
    timeout_seconds: float = 20.0
    """How long the store may take to answer."""

    def __post_init__(self) -> None:
        check_field(
            self, "redis_url", self.redis_url.startswith(STORE_SCHEMES), f"one of {', '.join(STORE_SCHEMES)}..."
        )
        check_field(self, "flush_seconds", 0.0 < self.flush_seconds <= 86_400, "more than 0, at most 86400")
        check_field(self, "max_batch_events", 1 <= self.max_batch_events <= 1_000_000, "1 to 1000000")
        check_field(self, "report_seconds", self.report_seconds > 0.0, "more than 0")
        check_field(self, "timeout_seconds", self.timeout_seconds > 0.0, "more than 0")
