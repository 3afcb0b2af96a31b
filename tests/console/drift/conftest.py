"""Reports of what was served: quiet days, and days with prices one and a half times as high."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from presage_export.drift import Judge, find_alarms, make_windows
from presage_server.drift.baselines import VersionBaseline
from presage_server.drift.report import DriftReport
from support.drifting import NAMES, a_baseline, hours_of, visits
from support.drifting_server import write_bundle_with_baseline

QUIET, DEAR = "quiet", "dear"


@pytest.fixture(scope="package")
def version() -> VersionBaseline:
    return VersionBaseline(
        model="conversion", version="1", digest="0" * 16, names=NAMES, time_zone="UTC", baseline=a_baseline()
    )


@pytest.fixture(scope="package")
def report_of(version) -> Callable[..., DriftReport]:
    """Make the report of some days, one word for each."""

    def make(*days: str, min_visitors: int = 100, visitors_a_day: int = 400) -> DriftReport:
        hours = []
        for number, kind in enumerate(days):
            rows = visits(days=1, first_day=14 + number, seed=number + 1, visitors_a_day=visitors_a_day)
            if kind == DEAR:
                values = rows.values.copy()
                values[:, 0] *= 1.5
                rows = replace(rows, values=values)
            hours += hours_of(rows, version.baseline.layout)
        windows = make_windows(hours, min_visitors=min_visitors)
        findings = Judge(version.baseline, version.names, time_zone="UTC").judge(windows)
        return DriftReport(
            version=version,
            rows=sum(hour.rows for hour in hours),
            windows=windows,
            waiting=None,
            findings=findings,
            alarms=find_alarms(findings),
            unreadable=0,
        )

    return make


@pytest.fixture(scope="package")
def drift_models(tmp_path_factory):
    """A folder of one bundle that has a baseline."""
    folder = tmp_path_factory.mktemp("drift")
    write_bundle_with_baseline(folder)
    return folder
