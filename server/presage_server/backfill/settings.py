"""How to backfill."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from presage_server.setting_fields import check_field
from presage_server.store.urls import STORE_SCHEMES

__all__ = ["BackfillSettings"]

_MILLIS_PER_DAY = 86_400_000


@dataclass(frozen=True, kw_only=True, slots=True)
class BackfillSettings:
    """The settings of ``presage backfill``.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    archive: Path
    """The folder that ``presage archive`` writes."""
    redis_url: str
    """The store that the servers use; see ``presage_server.store.urls``."""
    project: Path | None = None
    """The project folder, whose declared features get their history."""
    rebuild: bool = False
    """Whether the archive replaces what the store holds, and brings back visitors that the store lost."""
    visitors_per_second: float = 5_000.0
    """The most visitors read and written in a second; 0: as fast as the store allows."""
    state_ttl_days: float = 30.0
    """As the servers' setting: visitors without an event for that long have expired."""
    max_batch_events: int = 500_000
    """Archived events folded at once, roughly: it bounds the memory."""
    report_seconds: float = 10.0
    """How often a line of progress is printed."""
    timeout_seconds: float = 20.0
    """How long the store may take to answer."""
    patience_seconds: float = 60.0
    """How long a store may be away."""

    def __post_init__(self) -> None:
        check_field(
            self, "redis_url", self.redis_url.startswith(STORE_SCHEMES), f"one of {', '.join(STORE_SCHEMES)}..."
        )
        check_field(self, "visitors_per_second", self.visitors_per_second >= 0.0, "0 or more")
        check_field(self, "state_ttl_days", 0.001 <= self.state_ttl_days <= 3_650, "0.001 to 3650")
        check_field(self, "max_batch_events", 1 <= self.max_batch_events <= 100_000_000, "1 to 100000000")
        check_field(self, "report_seconds", self.report_seconds > 0.0, "more than 0")
        check_field(self, "timeout_seconds", self.timeout_seconds > 0.0, "more than 0")
        check_field(self, "patience_seconds", self.patience_seconds >= 0.0, "0 or more")

    @property
    def state_ttl_millis(self) -> int:
        return round(self.state_ttl_days * _MILLIS_PER_DAY)
