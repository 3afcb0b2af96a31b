"""What the stored counts of a version say, compared with its baseline."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

from redis import Redis

from presage_export.bundle import BundleError, is_ranking_bundle
from presage_export.drift import HOUR_MICROS, Alarm, Finding, Judge, Window, find_alarms, make_windows
from presage_server.drift.baselines import VersionBaseline, find_baseline
from presage_server.drift.stored_hours import read_hours
from presage_server.errors import ModelError
from presage_server.models.loading import find_bundles

__all__ = ["DriftReport", "FoundVersions", "find_versions_with_baselines", "judge_version"]


@dataclass(frozen=True, kw_only=True, slots=True)
class DriftReport:
    """The windows of one version, and what was found in them."""

    version: VersionBaseline
    rows: int
    """Rows that were counted, those of hours that are in no window yet included."""
    windows: Sequence[Window]
    waiting: Window | None
    """The hours after the windows, which have too few visitors for one yet; None if there are none."""
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
    judged = windows[-1].hours[-1].number if windows else -1
    later = [hour for hour in hours if hour.number > judged]
    return DriftReport(
        version=version,
        rows=sum(hour.rows for hour in hours),
        windows=windows,
        waiting=Window.of(later) if later else None,
        findings=findings,
        alarms=find_alarms(findings),
        unreadable=unreadable,
    )


@dataclass(frozen=True, kw_only=True, slots=True)
class FoundVersions:
    """What a folder of bundles has to compare with."""

    with_baseline: Sequence[VersionBaseline]
    problems: Sequence[str]
    """Why the other versions cannot be compared with anything, a sentence each."""


def find_versions_with_baselines(folder: Path, names: Iterable[str]) -> FoundVersions:
    """Read the baselines of all versions in a folder of bundles. One that cannot be read hides no other.

    Args:
        folder: The folder.
        names: The models; empty for all.

    Raises:
        ModelError: The folder cannot be read, or holds no model, or none of a name.
    """
    bundles = find_bundles(folder)
    wanted = dict.fromkeys(names or bundles)
    for name in wanted:
        if name not in bundles:
            raise ModelError(f"names: expected some of {sorted(bundles)}, as in {folder}, got {name!r}")
    if not bundles:
        raise ModelError(f"models: no bundle found under {folder}; expected <name>/<version>/manifest.json")
    found: list[VersionBaseline] = []
    problems: list[str] = []
    for directory in (directory for name in wanted for directory in bundles[name]):
        try:
            ranks = is_ranking_bundle(directory)
            baseline = None if ranks else find_baseline(directory)
        except (BundleError, ModelError) as error:
            problems.append(str(error))
            continue
        if ranks:
            problems.append(f"{directory} ranks items: only models that score visitors are compared")
        elif baseline is None:
            problems.append(f"{directory} has no baseline: train the model again")
        else:
            found.append(baseline)
    return FoundVersions(with_baseline=found, problems=problems)
