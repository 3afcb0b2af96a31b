"""Reads what servers counted and judges it, beside the serving processes and at most once a minute.

The counts are read from the store, as ``presage drift`` does, and not through the servers: an hour of a version is a few kilobytes
in one hash, and judging a week of them takes a second of processor time that a serving process does not have.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Final

from redis.exceptions import RedisError

from presage_export.drift import HOUR_MICROS
from presage_server.drift.report import DriftReport, find_versions_with_baselines, judge_version
from presage_server.drift.stored_hours import HOURS_TAG
from presage_server.errors import ServerError
from presage_server.eventlog.connecting import connect

__all__ = ["DAYS", "DriftFound", "DriftReader", "read_drift"]

DAYS: Final = (1, 7, 28)
"""How far back the page looks: one of these."""
_TIMEOUT_SECONDS = 5.0
_KEEP_MICROS = 60_000_000
_KEEP_ERROR_MICROS = 5_000_000
"""A store that was away may be back, but not every browser has to find out."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftFound:
    """What a look at the store and the folder of models has found."""

    reports: Sequence[DriftReport]
    problems: Sequence[str]
    """Versions that cannot be compared, and why; a sentence each."""
    error: str
    """Why nothing could be read; empty if all went well."""
    days: int
    read_unix_micros: int
    """When this was read, or tried."""
    known_unix_micros: int
    """When the reports were made."""

    def report(self, model: str, version: str) -> DriftReport | None:
        """Return the report of a version; None without one."""
        found = (each for each in self.reports if (each.version.model, each.version.version) == (model, version))
        return next(found, None)


def read_drift(redis_url: str, models: Path, *, days: int, now_unix_micros: int) -> DriftFound:
    """Judge all versions of a folder. It takes seconds: for a thread.

    Args:
        redis_url: The store; it is only read.
        models: The bundles that are served.
        days: How far to look back.
        now_unix_micros: The present hour has not ended, and is not judged.
    """
    reports: Sequence[DriftReport] = ()
    problems: Sequence[str] = ()
    error = ""
    try:
        redis, _ = connect(redis_url, client_name="presage-console", timeout_seconds=_TIMEOUT_SECONDS, key=HOURS_TAG)
        with redis:
            found = find_versions_with_baselines(models, ())
            problems = found.problems
            reports = [
                judge_version(redis, version, now_unix_micros=now_unix_micros, days=days)
                for version in found.with_baseline
            ]
    except (ServerError, RedisError, OSError) as failure:
        error = str(failure)
    return DriftFound(
        reports=reports,
        problems=problems,
        error=error,
        days=days,
        read_unix_micros=now_unix_micros,
        known_unix_micros=now_unix_micros,
    )


class DriftReader:
    """Reads at most once a minute for each number of days, however many look.

    Args:
        redis_url: The store.
        models: The bundles that are served.
        clock: Unix time in microseconds.
    """

    def __init__(self, redis_url: str, models: Path, *, clock: Callable[[], int]) -> None:
        self._redis_url = redis_url
        self._models = models
        self._clock = clock
        self._kept: dict[int, DriftFound] = {}
        self._reading = asyncio.Lock()

    async def read(self, days: int) -> DriftFound:
        """Return what was found within the last minute, or look again; while the store is away, what was known before."""
        async with self._reading:
            now, kept = self._clock(), self._kept.get(days)
            if kept is None or not _is_fresh(kept, now):
                found = await asyncio.to_thread(
                    read_drift, self._redis_url, self._models, days=days, now_unix_micros=now
                )
                if found.error and kept is not None:
                    found = replace(
                        found, reports=kept.reports, problems=kept.problems, known_unix_micros=kept.known_unix_micros
                    )
                self._kept[days] = kept = found
            return kept


def _is_fresh(found: DriftFound, now: int) -> bool:
    """Nothing new is known before servers have stored their minute, or an hour has ended."""
    age = now - found.read_unix_micros
    if found.error:
        return 0 <= age < _KEEP_ERROR_MICROS
    return 0 <= age < _KEEP_MICROS and now // HOUR_MICROS == found.read_unix_micros // HOUR_MICROS
