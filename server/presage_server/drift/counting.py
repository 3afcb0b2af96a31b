"""Counts served features and scores: one tuple a score, and one pass over all of them when there are a few hundred."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import accumulate
from threading import RLock
from typing import Final
from weakref import WeakSet
from zlib import crc32

import numpy as np
from numpy.typing import NDArray
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily
from prometheus_client.metrics_core import Metric
from prometheus_client.registry import Collector

from presage_export.drift import (
    BUCKETS,
    HOUR_MICROS,
    SHARES,
    Baseline,
    Hour,
    RowCounter,
    places_of_shares,
    smoothed_shares,
)
from presage_server.clock import Clock
from presage_server.drift.baselines import VersionBaseline, read_baseline
from presage_server.models.model import Model
from presage_server.scoring.jobs import ScoreJob

__all__ = ["ServedCounts"]

_Key = tuple[str, str, str]

_ROWS_AT_ONCE: Final = 256
_PERIODS_A_SECOND = 20
_PERIOD_MICROS = 1_000_000 // _PERIODS_A_SECOND
_MAX_CLOSED = 100
"""Hours that wait for a store that is away; older ones are dropped."""


class ServedCounts(Collector):
    """Counts the features and scores that are served, by version and hour.

    The serving thread notes them while another thread stores and exports what was counted: all methods are for any thread. A
    version that is loaded twice is counted once.

    A version whose bundle has no baseline is not counted. Neither are degraded scores, whose features are those of nobody.

    Args:
        clock: Says in which hour something is served, whatever moment a call asks for.
        max_rows_a_second: How many are counted at most, about: of more, the first of each twentieth of a second. Windows of an
            hour need no more, and what a score costs stays small when there are most of them. None counts all.
    """

    def __init__(self, clock: Clock, *, max_rows_a_second: int | None = None) -> None:
        self._clock = clock
        self._max_rows = None if max_rows_a_second is None else max_rows_a_second // _PERIODS_A_SECOND
        """Of a period."""
        self._period = self._noted = 0
        self._waiting: list[tuple[Model, bytes, str, float]] = []
        self._versions: dict[Model, _Version] = {}
        self._counted: dict[_Key, _Version] = {}
        self._ahead: dict[Model, _Version] = {}
        self._closed: list[tuple[VersionBaseline, Hour]] = []
        self._gone: WeakSet[Model] = WeakSet()
        self._lock = RLock()

    def prepare(self, models: Iterable[Model]) -> None:
        """Read the baselines of versions that will be served, so that no call waits for that."""
        with self._lock:
            for model in models:
                if model in self._versions:
                    continue
                version = self._ahead.pop(model) if model in self._ahead else self._read(model)
                # One that comes back within the hour goes on counting: what is stored of an hour replaces what was there.
                self._versions[model] = self._counted.setdefault(version.key, version) if version.baseline else version
                self._gone.discard(model)

    def read_ahead(self, models: Iterable[Model]) -> None:
        """Do the slow part of ``prepare`` in another thread than the one that serves."""
        for model in models:
            self._ahead[model] = self._read(model)

    def note(self, jobs: Sequence[ScoreJob]) -> None:
        """Count scores that are being served."""
        if self._max_rows is not None:
            period = self._clock() // _PERIOD_MICROS
            if period != self._period:
                self._period, self._noted = period, 0
            if self._noted >= self._max_rows:
                return
            self._noted += len(jobs)
        # Without the lock: what is appended while another thread takes the first ones stays behind them.
        waiting = self._waiting
        for job in jobs:
            if job.error is None and not job.degraded and (rows := job.rows) is not None:
                row = rows.tobytes() if len(rows) == 1 else rows[job.row].tobytes()
                waiting.append((job.model, row, job.user_id, job.score))
        if len(waiting) >= _ROWS_AT_ONCE:
            self.flush()

    def flush(self) -> None:
        """Count what waits."""
        with self._lock:
            self._count_waiting()

    def _count_waiting(self) -> None:
        waiting = self._waiting[:]
        del self._waiting[: len(waiting)]
        if not waiting:
            return
        hour = self._clock() // HOUR_MICROS
        models = {entry[0] for entry in waiting}
        for model in models:
            if model not in self._versions:
                if model in self._gone:
                    continue  # a call that was in flight: reading the baseline once more would hold up those that come
                self.prepare([model])
            version = self._versions[model]
            if version.baseline is None:
                continue
            # A clock that is set back a little returns to no hour that was closed.
            if not version.hour - 1 <= hour <= version.hour:
                self._close(version, hour)
            of_model = waiting if len(models) == 1 else [entry for entry in waiting if entry[0] is model]
            for start in range(0, len(of_model), _ROWS_AT_ONCE):
                version.count(of_model[start : start + _ROWS_AT_ONCE])

    def hours(self) -> list[tuple[VersionBaseline, Hour]]:
        """Return the hours that have ended since they were last returned, and the present one as far as it has come.

        The present one is returned again, with more in it: whoever stores it replaces what was there.
        """
        with self._lock:
            self._count_waiting()
            number = self._clock() // HOUR_MICROS
            served = set(self._versions.values())
            for version in list(self._counted.values()):
                if number > version.hour:
                    self._close(version, number)
                    if version not in served:
                        del self._counted[version.key]
            ended, self._closed = self._closed, []
            present = [
                (version.baseline, version.as_hour())
                for version in self._counted.values()
                if version.baseline is not None and version.has_rows
            ]
            return ended + present

    def keep_only(self, models: Iterable[Model]) -> None:
        """Count these versions, and forget others once the hour has ended: until then one may come back."""
        with self._lock:
            kept = set(models)
            self.prepare(kept)
            self._ahead.clear()
            self._count_waiting()
            for model in list(self._versions):
                if model not in kept:
                    del self._versions[model]
                    self._gone.add(model)

    def restore(self, hours: Sequence[tuple[VersionBaseline, Hour]]) -> None:
        """Take back hours that have ended and could not be stored."""
        number = self._clock() // HOUR_MICROS
        with self._lock:
            self._closed = [*(each for each in hours if each[1].number != number), *self._closed][-_MAX_CLOSED:]

    def _read(self, model: Model) -> _Version:
        return _Version(read_baseline(model), self._clock() // HOUR_MICROS)

    def _close(self, version: _Version, hour: int) -> None:
        assert version.baseline is not None
        if version.has_rows:
            self._closed = [*self._closed, (version.baseline, version.as_hour())][-_MAX_CLOSED:]
        version.begin(hour)

    def collect(self) -> Iterator[Metric]:
        """Export the rows, the scores, the zeros, defaults and missing values among them, and their shares in the baseline."""
        labels = ("model", "model_version")
        rows = CounterMetricFamily(
            "presage_served_rows", "Rows of features that were served and counted.", labels=labels
        )
        values = CounterMetricFamily(
            "presage_served_values",
            "Values of a feature that were 0, its default other than 0, or missing.",
            labels=(*labels, "feature", "value"),
        )
        usual = GaugeMetricFamily(
            "presage_baseline_share",
            "The share of such values in the rows that the model was trained on.",
            labels=(*labels, "feature", "value"),
        )
        scores = HistogramMetricFamily(
            "presage_served_score",
            "Scores that were served and counted, between the edges of the model's baseline.",
            labels=labels,
        )
        with self._lock:
            versions = list(self._versions.values())
        for version in versions:
            if version.baseline is None:
                continue
            of = (version.baseline.model, version.baseline.version)
            rows.add_metric(of, version.total_rows)
            for feature, value, place in version.places:
                values.add_metric((*of, feature, value), int(version.totals[place]))
                usual.add_metric((*of, feature, value), float(version.usual[place]))
            scores.add_metric(of, version.score_buckets(), version.score_sum)
        yield from (rows, values, usual, scores)


class _Version:
    """The counts of one version."""

    def __init__(self, baseline: VersionBaseline | None, hour: int) -> None:
        self.baseline = baseline
        self.key: _Key = ("", "", "") if baseline is None else (baseline.model, baseline.version, baseline.digest)
        """What its hours are stored under."""
        self.hour = hour
        self.total_rows = 0
        self.score_sum = 0.0
        if baseline is None:
            return
        usual: Baseline = baseline.baseline
        self._layout = usual.layout
        self._counter = RowCounter(self._layout, max_rows=_ROWS_AT_ONCE)
        self._columns = np.empty((self._layout.columns, _ROWS_AT_ONCE), np.float32)
        self.totals = np.zeros(self._layout.bins, np.int64)
        self.usual = smoothed_shares(usual.counts, self._layout)
        places = places_of_shares(self._layout, usual.defaults)
        self.places = [
            (feature, value.removesuffix("s"), int(places[row, column]))
            for column, feature in enumerate(baseline.names)
            for row, value in enumerate(SHARES)
            if places[row, column] >= 0
        ]
        self.begin(hour)

    def begin(self, hour: int) -> None:
        """Begin an hour."""
        self.hour = hour
        self._counts = np.zeros(self._layout.bins, np.int64)
        self._visitors = np.zeros(BUCKETS, np.int64)
        self.has_rows = False

    def count(self, entries: Sequence[tuple[Model, bytes, str, float]]) -> None:
        """Count up to 256 rows."""
        joined = b"".join([row for _, row, _, _ in entries])
        columns: NDArray[np.float32] = self._columns[:, : len(entries)]
        columns[:-1] = np.frombuffer(joined, np.float32).reshape(len(entries), -1).T
        columns[-1] = scores = [score for _, _, _, score in entries]
        counts = self._counter.count(columns)
        self._counts += counts
        self.totals += counts
        self.total_rows += len(entries)
        self.score_sum += sum(scores)
        buckets = [crc32(user_id.encode()) & (BUCKETS - 1) for _, _, user_id, _ in entries]
        np.add.at(self._visitors, buckets, 1)
        self.has_rows = True

    def score_buckets(self) -> list[tuple[str, float]]:
        """Return the scores so far, as Prometheus counts them: how many are below each edge."""
        last = self._layout.columns - 1
        edges = self._layout.edges[self._layout.starts[last] + 1 :]
        _missing, *counts = self.totals[self._layout.bins_of(last)].tolist()
        return list(zip([*(f"{edge:.9g}" for edge in edges.tolist()), "+Inf"], accumulate(counts), strict=True))

    def as_hour(self) -> Hour:
        """Return the hour as far as it has come."""
        return Hour(number=self.hour, counts=self._counts.copy(), visitors=self._visitors.copy())
