"""Which visitor to forget, and where."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from presage_server.errors import SettingsError
from presage_server.setting_fields import check_field
from presage_server.store.urls import STORE_SCHEMES

__all__ = ["ForgetSettings"]

_MAX_USER_ID_BYTES = 256


@dataclass(frozen=True, kw_only=True, slots=True)
class ForgetSettings:
    """The settings of ``presage forget``.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it, and never the visitor.
    """

    user_id: str
    """The visitor, as in events."""
    redis_url: str
    """The store that the servers use; see ``presage_server.store.urls``."""
    data_dir: Path | None = None
    """The embedded store's folder, whose files are looked through for the visitor's key; None for another store."""
    archives: tuple[Path, ...] = ()
    """The folders of all archives of the store."""
    states: tuple[Path, ...] = ()
    """Files of ``presage audit --follow --states`` that are not beside their archive."""
    settle_seconds: float = 5.0
    """How long a call that has read the old state may take to log what it computed: more than the servers' timeout_ms."""
    wait_seconds: float = 300.0
    """How long an archiver may take to write what it has read, and the store to rewrite its files."""
    rewrite_files: bool = True
    """Whether the store is to write its files again."""

    def __post_init__(self) -> None:
        if not 1 <= len(self.user_id.encode()) <= _MAX_USER_ID_BYTES:
            raise SettingsError(f"user_id: expected 1 to {_MAX_USER_ID_BYTES} bytes")
        check_field(
            self, "redis_url", self.redis_url.startswith(STORE_SCHEMES), f"one of {', '.join(STORE_SCHEMES)}..."
        )
        check_field(self, "settle_seconds", 0.0 <= self.settle_seconds <= 3_600, "0 to 3600")
        check_field(self, "wait_seconds", 0.0 < self.wait_seconds <= 86_400, "more than 0, at most 86400")
