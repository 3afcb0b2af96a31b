"""Where rows come from: a log file or a simulated shop, and what to predict from it."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from presage_featurizer import MICROS, Event, FeatureSet
from presage_training.datasets.dataset import Dataset, build_dataset
from presage_training.datasets.own_features import UnseenAttributes
from presage_training.datasets.targets import Target
from presage_training.errors import DatasetError, EventOrderError
from presage_training.readers import (
    LogFormat,
    LogMapping,
    ReadProgress,
    SkippedRows,
    load_mapping,
    read_events,
    sorted_by_time,
)
from presage_training.replaying.decisions import DecisionPoints
from presage_training.simulator import RandomLists, Shop, simulate, simulate_lists

__all__ = ["LogFile", "LogSource", "PredictionTask", "SimulatedShop", "read_dataset"]

_PROGRESS_INTERVAL_EVENTS = 20_000
_SIMULATION_START = dt.datetime(2026, 1, 5, tzinfo=dt.UTC)  # a Monday


class LogSource(Protocol):
    """An event log that can be read more than once."""

    @property
    def name(self) -> str:
        """A short name for results."""

    @property
    def location(self) -> str:
        """A prefix for error messages."""

    @property
    def distinct_ids(self) -> bool:
        """Whether no two events have the same id."""

    @property
    def as_recorded(self) -> bool:
        """Whether to accept many events that are out of order."""

    @property
    def facts(self) -> Mapping[str, str | int]:
        """The log's entries in the ``data`` of a bundle's manifest."""

    def events(self, skipped: SkippedRows, progress: ReadProgress | None = None) -> Iterator[Event]:
        """Read the log from the start."""


@dataclass(frozen=True, kw_only=True, slots=True)
class LogFile:
    """A file or folder of events."""

    path: Path
    source: LogFormat | LogMapping
    """The format of the file, or a mapping of its columns."""
    is_sorted: bool = False
    """Whether to sort the events by time first."""
    as_recorded: bool = False
    """Whether to accept many events that are out of order."""

    @classmethod
    def of(
        cls,
        path: Path,
        log_format: LogFormat | None,
        mapping: Path | None,
        *,
        is_sorted: bool = False,
        as_recorded: bool = False,
    ) -> LogFile:
        """Create one from command-line options: a format or the path of a mapping file, and the order.

        Raises:
            DatasetError: Neither or both of format and mapping are given, or both orders.
            TrainingError: The mapping file is not valid.
            OSError: The mapping file cannot be read.
        """
        if is_sorted and as_recorded:
            raise DatasetError(f"{path}: expected --sort or --as-recorded, not both; remove one")
        if log_format is not None and mapping is None:
            return cls(path=path, source=log_format, is_sorted=is_sorted, as_recorded=as_recorded)
        if mapping is not None and log_format is None:
            return cls(path=path, source=load_mapping(mapping), is_sorted=is_sorted, as_recorded=as_recorded)
        raise DatasetError(f"{path}: expected either --format or --mapping; give the one that says what the log holds")

    @property
    def name(self) -> str:
        return self.path.name

    @property
    def location(self) -> str:
        return str(self.path)

    @property
    def distinct_ids(self) -> bool:
        return isinstance(self.source, LogFormat) and self.source.distinct_ids

    @property
    def facts(self) -> Mapping[str, str | int]:
        return {"source": self.name}

    def events(self, skipped: SkippedRows, progress: ReadProgress | None = None) -> Iterator[Event]:
        events = read_events(self.path, self.source, skipped=skipped, progress=progress)
        return sorted_by_time(events) if self.is_sorted else events


@dataclass(frozen=True, kw_only=True, slots=True)
class SimulatedShop:
    """The log of a simulated shop; see ``simulate``."""

    seed: int
    visitors: int = 6_000
    days: int = 30
    lists: bool = False
    """Whether visitors are shown lists drawn at random, from which anything can be learned; see ``simulate_lists``."""

    @property
    def name(self) -> str:
        return "simulated-shop-with-lists" if self.lists else "simulated-shop"

    @property
    def location(self) -> str:
        return "simulated shop"

    @property
    def distinct_ids(self) -> bool:
        return True

    @property
    def as_recorded(self) -> bool:
        return False

    @property
    def facts(self) -> Mapping[str, str | int]:
        return {"source": self.name, "visitors": self.visitors, "days": self.days}

    def events(self, skipped: SkippedRows, progress: ReadProgress | None = None) -> Iterator[Event]:  # noqa: ARG002 - nothing is skipped, and nothing is read
        start = int(_SIMULATION_START.timestamp()) * MICROS
        if not self.lists:
            yield from simulate(seed=self.seed, visitors=self.visitors, start_unix_micros=start, days=self.days)
            return
        shop = Shop.create(seed=self.seed)
        drawn = RandomLists(shop, seed=self.seed)
        yield from simulate_lists(
            drawn, shop=shop, seed=self.seed, visitors=self.visitors, start_unix_micros=start, days=self.days
        ).events


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionTask:
    """What to predict, when, and from which features."""

    target: Target
    decisions: DecisionPoints
    feature_set: FeatureSet
    known_only: bool = False
    """Whether to exclude rows of anonymous visitors."""

    @property
    def decisions_text(self) -> str:
        """The decision points as results describe them."""
        return self.decisions.name + (", for known visitors" if self.known_only else "")


def read_dataset(
    log: LogSource,
    task: PredictionTask,
    *,
    skipped: SkippedRows,
    workers: int = 1,
    now_shift_micros: int = 0,
    unseen: UnseenAttributes | None = None,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Read a log into rows; ``unseen`` gets to know which attributes its events have.

    Raises:
        DatasetError: The log gives no rows, or too many of its events are out of order; the message names it.
        TrainingError: The log does not have the format that its source names.
        OSError: The log cannot be read.
    """
    progress = ReadProgress()
    events = log.events(skipped, progress)
    try:
        dataset = build_dataset(
            _report_progress(unseen.watch(events) if unseen else events, progress, on_progress),
            decisions=task.decisions,
            target=task.target,
            feature_set=task.feature_set,
            workers=workers,
            distinct_ids=log.distinct_ids,
            now_shift_micros=now_shift_micros,
            as_recorded=log.as_recorded,
        )
    except EventOrderError as error:
        raise EventOrderError(f"{log.location}: {error}") from error
    except DatasetError as error:
        raise DatasetError(f"{log.location}: {error}{_most_skipped(skipped)}") from error
    if not task.known_only:
        return dataset
    if not dataset.known.any():
        raise DatasetError(f"{log.location}: names no visitor; ask for anonymous ones too")
    return dataset.take(dataset.known)


def _most_skipped(skipped: SkippedRows) -> str:
    """Describe the rows that were skipped most often, a likely reason for having too few."""
    if not skipped.total:
        return ""
    reason = max(skipped.counts, key=skipped.counts.__getitem__)
    example = skipped.examples[reason][0]
    return (
        f"; the reader skipped {skipped.counts[reason]:,} rows: {reason}, for example {example.where}: {example.what}"
    )


def _report_progress(
    events: Iterable[Event], progress: ReadProgress, on_progress: Callable[[str], None]
) -> Iterator[Event]:
    for count, event in enumerate(events):
        if count % _PROGRESS_INTERVAL_EVENTS == 0:
            # A sorted log has been read as a whole before its first event.
            share = f", {progress.share:.0%} of the log" if 0.0 < progress.share < 1.0 else ""
            on_progress(f"replaying, {count:,} events so far{share}")
        yield event
