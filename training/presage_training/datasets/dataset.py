"""Point-in-time rows: what a server would have known at each decision, and what came of it."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field, fields, replace
from difflib import get_close_matches
from typing import Any

import numpy as np
from numpy.typing import NDArray

from presage_export.drift import ServedRows
from presage_featurizer import CATALOGUE, CONVERSION, FEATURE_SETS, Event, FeatureSet, FeatureSetError
from presage_featurizer.custom import CustomFeatures
from presage_training.datasets.served import sample_served
from presage_training.datasets.targets import PurchaseInSession, Target
from presage_training.errors import DatasetError, EventOrderError
from presage_training.replaying.decisions import DecisionPoints, EveryEvent
from presage_training.replaying.event_order import MAX_LATE_EVENTS, MAX_LATE_VISITORS, EventOrder
from presage_training.replaying.workers import record

__all__ = ["Dataset", "LogFacts", "build_dataset", "check_labels", "parse_feature_set", "purchase_in_session"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFacts:
    """Counts of a log and its decision points."""

    events: int
    """Events, duplicates included."""
    duplicates: int
    """Events that were ignored because their visitor had one with the same id shortly before."""
    visitors: int
    first_unix_micros: int
    """The oldest time of an event."""
    last_unix_micros: int
    """The newest time of an event: where the log ends."""
    decision_points: int
    """Moments for which the target is defined."""
    censored: int
    """The decision points without a row, because the log ends before the label is known."""
    order: EventOrder = field(default_factory=EventOrder)
    """How many events are out of order."""
    needs_log_order: bool = False
    """Whether decision points depend on the order over all visitors, too."""


_OF_THE_WHOLE = frozenset({"feature_set", "target", "log", "served"})


@dataclass(frozen=True, kw_only=True, slots=True)
class Dataset:
    """Rows of features with their labels, in the order of the log; all arrays have one entry for each row.

    A row's span starts with the events that it depends on (at its session's start for a target about the session, else at its own
    time) and ends when its label is known. Two rows whose spans do not overlap share no event that is part of one's label.
    """

    feature_set: FeatureSet
    """The columns of ``features``."""
    target: str
    """The name of the target, as ``parse_target`` reads it."""
    log: LogFacts
    """Counts of the log; the same for every part of a dataset."""
    features: NDArray[np.float32]
    """Shape (rows, features of the set), as a server would have served them."""
    labels: NDArray[np.bool_] | NDArray[np.float64]
    """True or false, or an amount in units of the shop's currency."""
    times_unix_micros: NDArray[np.int64]
    """When the decision was due."""
    span_starts_unix_micros: NDArray[np.int64]
    span_ends_unix_micros: NDArray[np.int64]
    visitors: NDArray[np.int64]
    """The visitor's number: the log position of its first event, so the same for every target and split."""
    sessions: NDArray[np.int64]
    """The session's number: the log position of its first row or PURCHASE; -1 without a session."""
    prefix_lengths: NDArray[np.int32]
    """Events of the session up to the decision; 0 without a session."""
    known: NDArray[np.bool_]
    """False for anonymous visitors, who have an ``anonymous:`` id from the reader."""
    devices: NDArray[np.int8]
    """The last device seen, as a number of ``Device``."""
    countries: NDArray[np.str_]
    """The last country seen, ISO 3166-1 alpha-2; empty if unknown."""
    served: ServedRows | None = None
    """Rows of all decision points, with a label or without, as a server would have served them; the same for every part."""

    def __len__(self) -> int:
        return len(self.labels)

    @property
    def positive(self) -> NDArray[np.bool_]:
        """The rows whose label is true, or above 0."""
        return np.asarray(self.labels > 0, dtype=np.bool_)

    def take(self, chosen: NDArray[Any]) -> Dataset:
        """Select rows by a mask or by indices."""
        arrays = (column.name for column in fields(self) if column.name not in _OF_THE_WHOLE)
        return replace(self, **{name: getattr(self, name)[chosen] for name in arrays})


def build_dataset(
    events: Iterable[Event],
    *,
    decisions: DecisionPoints,
    target: Target,
    feature_set: FeatureSet = CONVERSION,
    workers: int = 1,
    distinct_ids: bool = False,
    now_shift_micros: int = 0,
    as_recorded: bool = True,
) -> Dataset:
    """Replay a log into one row for each decision point whose label is known.

    The log is read once and not kept: memory holds the state of each visitor, the rows, and the purchases and refunds. The features
    of a decision point include its own event and nothing later. The rows are the same, byte for byte, with any number of workers.

    Args:
        events: The log, in the order in which a server would have received it.
        decisions: When to make a row.
        target: What to predict.
        feature_set: The features of a row.
        workers: The number of processes that share the visitors; 1 replays in this process. With more, a script that calls this
            guards its main code with ``if __name__ == "__main__"``, because each process imports it.
        distinct_ids: Whether no two events have the same id; duplicates are then not looked for, which saves a third of the time.
        now_shift_micros: An offset added to the time for which features are computed; see ``shifted_now``.
        as_recorded: Whether to accept a log with many events that are out of order; ``event_order`` warns of it in any case.

    Raises:
        EventOrderError: Too many events are out of order.
        DatasetError: The log gives no row, or the target is not defined at such decision points.
        WorkerError: A worker process ended early.
    """
    if target.follows_events and not decisions.follows_events:
        raise DatasetError(
            f"{target.name} is defined right after an event, which {decisions.name} is not: name every-event, or another target"
        )
    recording = record(
        events,
        decisions=decisions,
        feature_set=feature_set,
        workers=workers,
        distinct_ids=distinct_ids,
        now_shift_micros=now_shift_micros,
    )
    if not recording.events:
        raise DatasetError("the log holds no event: name another log, or the format or mapping that fits this one")
    if not as_recorded:
        _check_order(recording.order, needs_log_order=not decisions.follows_events)
    labels = target.label(recording)
    eligible, censored = int(labels.eligible.sum()), int(labels.censored.sum())
    if not eligible:
        raise DatasetError(target.none_eligible_message)
    if eligible == censored:
        raise DatasetError(target.all_censored_message(eligible))
    rows = recording.rows
    dataset = Dataset(
        feature_set=feature_set,
        target=target.name,
        log=LogFacts(
            events=recording.events,
            duplicates=recording.duplicates,
            visitors=recording.visitors,
            first_unix_micros=recording.first_unix_micros,
            last_unix_micros=recording.last_unix_micros,
            decision_points=eligible,
            censored=censored,
            order=recording.order,
            needs_log_order=not decisions.follows_events,
        ),
        features=rows.features,
        labels=labels.values,
        times_unix_micros=rows.time_unix_micros,
        span_starts_unix_micros=labels.span_starts_unix_micros,
        span_ends_unix_micros=labels.span_ends_unix_micros,
        visitors=rows.visitor,
        sessions=rows.session,
        prefix_lengths=rows.prefix_length,
        known=rows.known,
        devices=rows.device,
        countries=rows.country,
        served=sample_served(rows),
    )
    return dataset.take(labels.eligible & ~labels.censored)


def purchase_in_session(events: Iterable[Event], feature_set: FeatureSet = CONVERSION, *, workers: int = 1) -> Dataset:
    """Make one row for each event of each session: does the session still end in a purchase?

    See ``build_dataset`` for the arguments, and ``PurchaseInSession`` for the events that give a row.

    Raises:
        DatasetError: The log gives no row, or only rows of sessions that may still go on.
        WorkerError: A worker process ended early.
    """
    return build_dataset(
        events, decisions=EveryEvent(), target=PurchaseInSession(), feature_set=feature_set, workers=workers
    )


def _check_order(order: EventOrder, *, needs_log_order: bool) -> None:
    share = f"expected at most {100 * MAX_LATE_EVENTS:g} % of the events"
    if order.has_many_late:
        raise EventOrderError(
            f"{order.description}. Features and labels need the order within a visitor: {share} and "
            f"{100 * MAX_LATE_VISITORS:g} % of the visitors. Give --sort to read the log in the order of time, or --as-recorded if "
            "this is the order in which a server received it"
        )
    if needs_log_order and order.has_many_behind:
        raise EventOrderError(
            f"{order.description_behind}. Decision points at fixed times need the order over all visitors: {share}. Give --sort to "
            "read the log in the order of time, or --as-recorded to go on"
        )


def check_labels(dataset: Dataset) -> None:
    """Check that the labels differ.

    Raises:
        DatasetError: There is no row, or all labels are the same.
    """
    if not len(dataset):
        raise DatasetError("there are no rows to learn from: use a longer log")
    first = dataset.labels[0]
    if (dataset.labels != first).any():
        return
    what = {True: "always happens", False: "never happens"}[bool(first)]
    if dataset.labels.dtype != np.bool_:
        what = f"is always {float(first):g}"
    raise DatasetError(
        f"the target {dataset.target} {what}, in all {len(dataset)} rows: name another target or use a longer log"
    )


def parse_feature_set(text: str, custom: CustomFeatures | None = None) -> FeatureSet:
    """Read a feature set as a command line names it: one of FEATURE_SETS, or features separated by commas.

    Features by name make a set called ``custom``, in UTC.

    Args:
        text: What was given.
        custom: The features of a project, which can be named, too.

    Raises:
        DatasetError: There is no such set or feature.
    """
    if custom is not None and text == custom.feature_set.name:
        return custom.feature_set
    if text in FEATURE_SETS:
        return FEATURE_SETS[text]
    if "," not in text:
        raise DatasetError(
            f"feature set: expected one of {', '.join(FEATURE_SETS)}, or features separated by commas, got {text!r}"
        )
    names = tuple(name.strip() for name in text.split(","))
    known_names = [*CATALOGUE, *(custom.catalogue if custom else ())]
    if unknown := [name for name in names if name not in known_names]:
        near = get_close_matches(unknown[0], known_names, n=3)
        known = f"; is {' or '.join(map(repr, near))} meant?" if near else f"; name some of its {len(known_names)}"
        raise DatasetError(f"feature set: {unknown[0]!r} is not in the catalogue of features{known}")
    try:
        return FeatureSet(name="custom", features=names, custom=custom)
    except FeatureSetError as error:
        raise DatasetError(f"feature set: {error}") from error
