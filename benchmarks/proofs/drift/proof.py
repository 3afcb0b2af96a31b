"""The steps of the proof: a bundle with a baseline, quiet weeks, and a day of each shift, counted as a server counts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from copy import copy
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path

import lightgbm
import numpy as np

from benchmarks.proofs.drift.shifts import Shift
from benchmarks.proofs.drift.shop import (
    DAY_MICROS,
    FEATURES,
    OWN,
    START_UNIX_MICROS,
    WEEK_MICROS,
    Rows,
    fold_all,
    new_visitors,
    replay,
    shop_events,
)
from presage_export.bundle.manifest import FeatureSetSpec
from presage_export.drift import (
    HOUR_MICROS,
    MIN_VISITORS,
    Alarm,
    Hour,
    Judge,
    ServedRows,
    Window,
    find_alarms,
    make_windows,
)
from presage_export.exporter import export_model
from presage_featurizer import Event
from presage_server.drift.baselines import read_baseline
from presage_server.drift.counting import ServedCounts
from presage_server.models.loading import load_model
from presage_server.models.model import Model
from presage_server.scoring.jobs import ScoreJob
from presage_server.telemetry.stages import Stages
from presage_training.experiment.drift_baseline import baseline_of_features, with_scores

__all__ = ["FILL_WEEKS", "Outcome", "Plan", "run"]

FILL_WEEKS = 4
"""Until as many visitors go as come."""
_TRAINING_ROWS = 60_000


@dataclass(frozen=True, kw_only=True, slots=True)
class Plan:
    """What is simulated."""

    visitors_a_day: int
    baseline_weeks: int = 4
    quiet_weeks: int = 4
    min_visitors: int = MIN_VISITORS
    seed: int = 3


@dataclass(frozen=True, kw_only=True, slots=True)
class Outcome:
    """What was found in the quiet weeks, or with a shift in the day after them."""

    name: str
    columns: tuple[str, ...]
    """Any of these names the shift rightly; none for the quiet weeks."""
    windows: Sequence[Window]
    quiet_windows: int
    """How many of the windows are quiet."""
    rows: int
    alarms: Sequence[Alarm]

    @property
    def false_alarms(self) -> list[Alarm]:
        """Alarms that began in the quiet weeks."""
        return [alarm for alarm in self.alarms if alarm.first.window < self.quiet_windows]

    @property
    def hours(self) -> float | None:
        """How long after its beginning a right column's alarm was raised; None if none was."""
        right = [alarm.first.window for alarm in self.alarms if alarm.column in self.columns]
        if not right or min(right) < self.quiet_windows:
            return None
        start = self.windows[self.quiet_windows].start_unix_micros
        return (self.windows[min(right)].end_unix_micros - start) / HOUR_MICROS

    @property
    def is_right(self) -> bool:
        """Whether a shift was found within a day, or nothing where nothing was planted."""
        if not self.columns:
            return not self.alarms
        return not self.false_alarms and self.hours is not None and self.hours <= 24.0


def run(plan: Plan, shifts: Iterable[Shift], folder: Path) -> Iterator[Outcome]:
    """Simulate the shop, train on some weeks of it, and serve the next ones; then a day with each shift.

    Args:
        plan: What is simulated.
        shifts: What is planted.
        folder: Where the bundle is written.

    Yields:
        The quiet weeks, then each shift.
    """
    visitors = new_visitors()
    weeks = FILL_WEEKS + plan.baseline_weeks + plan.quiet_weeks
    events = _Weeks(shop_events(visitors_a_day=plan.visitors_a_day, weeks=weeks + 1, seed=plan.seed))
    fold_all(events.until(FILL_WEEKS), visitors)
    model = _train(list(replay(events.until(FILL_WEEKS + plan.baseline_weeks), visitors)), plan, folder)
    served = _Server(model)
    quiet = served.windows(replay(events.until(weeks), visitors), plan)
    yield served.outcome("nothing", (), quiet, [])
    day = [event for _, event in events.until(weeks, days=1)]
    for shift in shifts:
        states = copy(visitors)
        states.states = dict(visitors.states)
        rows = (_changed(each, shift) for each in replay(shift.events(day), states))
        yield served.outcome(shift.name, shift.columns, quiet, served.windows(rows, plan))


class _Weeks:
    """The events of one week after the other, as a server gets them."""

    def __init__(self, events: Iterator[Event]) -> None:
        self._events = events
        self._next: Event | None = next(events, None)

    def until(self, weeks: int, *, days: int = 0) -> Iterator[tuple[int, Event]]:
        """Go on to the end of a week, or some days later."""
        end = START_UNIX_MICROS + weeks * WEEK_MICROS + days * DAY_MICROS
        while self._next is not None and self._next.event_time_unix_micros < end:
            yield self._next.event_time_unix_micros, self._next
            self._next = next(self._events, None)


def _changed(rows: Rows, shift: Shift) -> Rows:
    return Rows(
        values=shift.rows(rows.values),
        times_unix_micros=rows.times_unix_micros,
        user_ids=rows.user_ids,
        session_ids=rows.session_ids,
        purchases=rows.purchases,
    )


def _train(parts: Sequence[Rows], plan: Plan, folder: Path) -> Model:
    """Train a model for whether a session has a purchase, and write its bundle with a baseline."""
    values = np.concatenate([part.values for part in parts])
    times = np.concatenate([part.times_unix_micros for part in parts])
    bought = set().union(*(part.purchases for part in parts))
    labels = np.array([session in bought for part in parts for session in part.session_ids])
    users = np.unique([user for part in parts for user in part.user_ids], return_inverse=True)[1]
    cut = int(np.quantile(times, 0.75))
    fitted_on = np.flatnonzero(times <= cut)[:: max(1, len(times) // _TRAINING_ROWS)]
    booster = lightgbm.train(
        {"objective": "binary", "num_leaves": 15, "verbosity": -1, "num_threads": 1, "seed": 1, "deterministic": True},
        lightgbm.Dataset(values[fitted_on].astype(np.float64), labels[fitted_on]),
        num_boost_round=30,
    )
    served = ServedRows(values=values, times_unix_micros=times, visitors=users)
    features = baseline_of_features(served, FEATURES, min_visitors=plan.min_visitors)
    directory = folder / "drift" / "1"
    export_model(
        booster,
        directory,
        rows=values[fitted_on[:2_000]],
        feature_set=FeatureSetSpec(**FEATURES.definition),
        objective="binary",
        optional_files=with_scores(
            features,
            served,
            lambda rows: np.asarray(booster.predict(rows.astype(np.float64))),
            after_unix_micros=cut,
            time_zone=FEATURES.time_zone,
        ),
    )
    return load_model(directory, OWN)


class _Server:
    """Scores rows and counts them, as a server does with calls."""

    def __init__(self, model: Model) -> None:
        self._model = model
        self._now = 0
        baseline = read_baseline(model)
        assert baseline is not None
        self._judge = Judge(baseline.baseline, baseline.names, time_zone=baseline.time_zone)

    def windows(self, parts: Iterable[Rows], plan: Plan) -> list[Window]:
        """Count rows, and make windows of the hours."""
        counts = ServedCounts(lambda: self._now)
        hours: list[Hour] = []
        for part in parts:
            scores = self._model.predict(part.values)
            numbers = part.times_unix_micros // HOUR_MICROS
            bounds = [0, *(np.flatnonzero(np.diff(numbers)) + 1).tolist(), len(numbers)]
            for first, end in pairwise(bounds):
                time = int(part.times_unix_micros[first])
                ended = time // HOUR_MICROS != self._now // HOUR_MICROS
                self._now = time
                if ended:
                    hours += [hour for _, hour in counts.hours()]
                counts.note(_jobs(self._model, part, scores, range(first, end)))
                counts.flush()
        self._now += HOUR_MICROS
        hours += [hour for _, hour in counts.hours()]
        return make_windows(hours, min_visitors=plan.min_visitors)

    def outcome(
        self, name: str, columns: tuple[str, ...], quiet: Sequence[Window], shifted: Sequence[Window]
    ) -> Outcome:
        """Judge the quiet weeks and what came after them."""
        windows = [*quiet, *shifted]
        return Outcome(
            name=name,
            columns=columns,
            windows=windows,
            quiet_windows=len(quiet),
            rows=sum(window.rows for window in windows),
            alarms=find_alarms(self._judge.judge(windows)),
        )


def _jobs(model: Model, part: Rows, scores: Sequence[float], places: range) -> list[ScoreJob]:
    jobs = []
    for place in places:
        job = ScoreJob(None, part.user_ids[place], "", model, 0, Stages(0.0), lambda *_: None)
        job.rows, job.row, job.score = part.values, place, scores[place]
        jobs.append(job)
    return jobs
