"""What the stored counts of a version say, compared with its baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from presage_export.drift import HOUR_MICROS, Alarm, Finding, Judge, Window, find_alarms, make_windows
from presage_server.drift.baselines import VersionBaseline, find_baseline
from presage_server.drift.stored_hours import read_hours
from presage_server.models.loading import find_bundles

__all__ = ["DriftReport", "find_versions_with_baselines", "judge_version"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftReport:
    """The windows of one version, and what was found in them."""

    version: VersionBaseline
    rows: int
    """Rows that were counted, those of hours that are in no window yet included."""
    windows: Sequence[Window]
    findings: Sequence[Finding]
    alarms: Sequence[Alarm]
    unreadable: int
    """Stored hours that cannot be read."""

    @property
    def name(self) -> str:
        """NAME/VERSION."""
        return f"{self.version.model}/{self.version.version}"


def judge_version(redis: Redis, version: VersionBaseline, *, now_unix_micros: int, days: float) -> DriftReport:
    """Judge the hours of a version that have ended; raises RedisError.

    Args:
        redis: The store.
        version: Whose.
        now_unix_micros: The present hour has not ended.
        days: How far to look back.
    """
    last = now_unix_micros // HOUR_MICROS - 1
    hours, unreadable = read_hours(redis, version, first=last + 1 - round(days * 24), last=last)
    windows = make_windows(hours, min_visitors=int(version.baseline.min_visitors[0]))
    findings = Judge(version.baseline, version.names, time_zone=version.time_zone).judge(windows)
    return DriftReport(
        version=version,
        rows=sum(hour.rows for hour in hours),
        windows=windows,
        findings=findings,
        alarms=find_alarms(findings),
        unreadable=unreadable,
    )


def find_versions_with_baselines(folder: Path, names: Iterable[str]) -> tuple[list[VersionBaseline], list[Path]]:
    """Read the baselines of all versions in a folder of bundles.

    Args:
        folder: The folder.
        names: The models; empty for all.

    Returns:
        The baselines, and the bundles that have none.

    Raises:
        ModelError: The folder, a manifest or a baseline cannot be read.
    """
    wanted = set(names)
    found: list[VersionBaseline] = []
    without: list[Path] = []
    for name, versions in find_bundles(folder).items():
        if wanted and name not in wanted:
            continue
        for directory in versions:
            baseline = find_baseline(directory)
            if baseline is None:
                without.append(directory)
            else:
                found.append(baseline)
    return found, without
