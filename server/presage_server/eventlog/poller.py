"""Follows a store for as long as it is asked to."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from threading import Event as Flag
from time import monotonic

from redis.exceptions import ConnectionError as RedisConnectionError
from redis.exceptions import RedisError
from redis.exceptions import TimeoutError as RedisTimeoutError

from presage_server.archive.archiver import Archiver, Progress
from presage_server.archive.errors import ArchiveStoreError, StreamsGoneError
from presage_server.errors import SettingsError

__all__ = ["ArchiveSettings", "follow"]

_POLL_SECONDS = 1.0
_RETRY_SECONDS = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class ArchiveSettings:
    """How to archive.

    Raises:
        SettingsError: A field has a value that cannot work; the message names it.
    """

    to: Path
    """The archive's folder; made if there is none."""
    redis_url: str
    """The store that the servers use: redis://, rediss:// or unix://."""
    once: bool = False
    """Whether to end once everything that was there is archived."""
    flush_seconds: float = 60.0
    """How often files are written: fewer and larger ones, or events that are sooner there."""
    max_batch_events: int = 100_000
    """Files are written sooner when so many events wait; also what a reader must have in memory at once."""
    report_seconds: float = 10.0
    """How often a line of progress is printed where there is no terminal."""
    timeout_seconds: float = 20.0
    """How long the store may take to answer."""

    def __post_init__(self) -> None:
        schemes = ("redis://", "rediss://", "unix://")
        self._check("redis_url", self.redis_url.startswith(schemes), f"one of {', '.join(schemes)}...")
        self._check("flush_seconds", 0.0 < self.flush_seconds <= 86_400, "more than 0, at most 86400")
        self._check("max_batch_events", 1 <= self.max_batch_events <= 1_000_000, "1 to 1000000")
        self._check("report_seconds", self.report_seconds > 0.0, "more than 0")
        self._check("timeout_seconds", self.timeout_seconds > 0.0, "more than 0")

    def _check(self, field: str, holds: bool, expected: str) -> None:  # noqa: FBT001 - private and positional
        if not holds:
            shown = "a URL of another kind" if field == "redis_url" else repr(getattr(self, field))
            raise SettingsError(f"{field}: expected {expected}, got {shown}")


def follow(
    archiver: Archiver,
    settings: ArchiveSettings,
    *,
    stop: Flag,
    show: Callable[[Progress], None],
) -> None:
    """Archive until ``stop`` is set, or with ``once`` until nothing is left; what was read is in files then.

    A store that goes away is waited for, except with ``once``.

    Raises:
        ArchiveFolderError: The folder cannot be written.
        ArchiveStoreError: The store refuses what archiving needs; with ``once``, also if it goes away.
    """
    rounds = _Rounds(archiver, settings)
    away = False
    while not stop.is_set():
        try:
            idle = rounds.go()
        except (RedisConnectionError, RedisTimeoutError) as error:
            if settings.once:
                raise ArchiveStoreError(f"redis_url: the store went away ({error}); run the same again") from error
            if not away:
                archiver.tell(f"the store does not answer ({error}); waiting for it")
            away = True
            rounds.begin_again()
            stop.wait(_RETRY_SECONDS)
            continue
        except StreamsGoneError:
            rounds.begin_again()
            continue
        except RedisError as error:
            raise ArchiveStoreError(f"redis_url: the store refuses: {str(error)[:200]}") from error
        if away:
            away = False
            archiver.tell("the store answers again")
        show(archiver.progress)
        if idle and settings.once:
            break
        if idle:
            stop.wait(min(_POLL_SECONDS, settings.flush_seconds))
    try:
        archiver.commit()
    except RedisError:
        # The files are written; the next start sees what was not acknowledged.
        archiver.tell("the store does not answer; the files are complete nevertheless")
    show(archiver.progress)


class _Rounds:
    """One look at streams after another: those with more to give at once again, all of them once in a while."""

    def __init__(self, archiver: Archiver, settings: ArchiveSettings) -> None:
        self._archiver = archiver
        self._settings = settings
        self._prepared = False
        self._more: list[int] = []
        self._all_seen = self._flushed = monotonic()

    def go(self) -> bool:
        """Read, and write files when it is time; tells whether all streams were read to their ends."""
        if not self._prepared:
            self._archiver.prepare()
            self._prepared = True
        if self._more and (self._settings.once or monotonic() - self._all_seen < _POLL_SECONDS):
            self._more = self._archiver.sweep(self._more)
        else:
            self._all_seen = monotonic()
            self._more = self._archiver.sweep()
        if monotonic() - self._flushed >= self._settings.flush_seconds:
            self._archiver.commit()
            self._flushed = monotonic()
        return not self._more

    def begin_again(self) -> None:
        """Have the next round tell the store anew where to go on: what a broken call was given, it must give again."""
        self._prepared = False
        self._more = []
