"""How to count items."""

from __future__ import annotations

from dataclasses import dataclass

from presage_server.setting_fields import check_field
from presage_server.store.urls import STORE_SCHEMES

__all__ = ["FollowSettings"]

_HOUR_SECONDS = 3_600


@dataclass(frozen=True, kw_only=True, slots=True)
class FollowSettings:
    """The settings of ``presage items follow``.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    redis_url: str
    """The store that the servers use; see ``presage_server.store.urls``."""
    bucket_seconds: int = 60
    """The width of a bucket of time."""
    report_seconds: float = 60.0
    """How often a line of progress is printed."""

    def __post_init__(self) -> None:
        check_field(
            self, "redis_url", self.redis_url.startswith(STORE_SCHEMES), f"one of {', '.join(STORE_SCHEMES)}..."
        )
        divides = self.bucket_seconds > 0 and _HOUR_SECONDS % self.bucket_seconds == 0
        check_field(self, "bucket_seconds", divides, "a divisor of 3600")
        check_field(self, "report_seconds", self.report_seconds > 0.0, "more than 0")
