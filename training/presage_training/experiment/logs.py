"""What is asked of which log."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from presage_featurizer import Event, FeatureSet
from presage_training.datasets.dataset import Dataset, build_dataset
from presage_training.datasets.targets import Target
from presage_training.errors import DatasetError
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

__all__ = ["LogSource", "PredictionTask", "read_dataset"]

_EVENTS_PER_WORD = 20_000


@dataclass(frozen=True, kw_only=True, slots=True)
class LogSource:
    """A log, and how to read it."""

    path: Path
    """The file or folder."""
    source: LogFormat | LogMapping
    """What it holds."""
    is_sorted: bool = False
    """Whether to put it in the order of time first."""

    @classmethod
    def of(
        cls, path: Path, log_format: LogFormat | None, mapping: Path | None, *, is_sorted: bool = False
    ) -> LogSource:
        """Make one of what a command line names: a format or the file of a mapping.

        Raises:
            DatasetError: Neither or both are given.
            TrainingError: The mapping is no mapping.
            OSError: The mapping cannot be read.
        """
        if log_format is not None and mapping is None:
            return cls(path=path, source=log_format, is_sorted=is_sorted)
        if mapping is not None and log_format is None:
            return cls(path=path, source=load_mapping(mapping), is_sorted=is_sorted)
        raise DatasetError(f"{path}: expected either --format or --mapping; give the one that says what the log holds")

    def events(self, skipped: SkippedRows, progress: ReadProgress | None = None) -> Iterator[Event]:
        """Read it."""
        events = read_events(self.path, self.source, skipped=skipped, progress=progress)
        return sorted_by_time(events) if self.is_sorted else events


@dataclass(frozen=True, kw_only=True, slots=True)
class PredictionTask:
    """What is to be predicted, when, and from what."""

    target: Target
    decisions: DecisionPoints
    feature_set: FeatureSet
    known_only: bool = False
    """Whether rows of visitors whom the log does not name are left out."""


def read_dataset(
    log: LogSource,
    task: PredictionTask,
    *,
    skipped: SkippedRows,
    workers: int = 1,
    now_shift_micros: int = 0,
    on_progress: Callable[[str], None] = lambda _: None,
) -> Dataset:
    """Read a log into rows.

    Raises:
        DatasetError: It gives none; the message names the file.
        TrainingError: It is not what its source says.
        OSError: It cannot be read.
    """
    progress = ReadProgress()
    try:
        dataset = build_dataset(
            _counted(log.events(skipped, progress), progress, on_progress),
            decisions=task.decisions,
            target=task.target,
            feature_set=task.feature_set,
            workers=workers,
            distinct_ids=isinstance(log.source, LogFormat) and log.source.distinct_ids,
            now_shift_micros=now_shift_micros,
        )
    except DatasetError as error:
        raise DatasetError(f"{log.path}: {error}{_left_out(skipped)}") from error
    if not task.known_only:
        return dataset
    if not dataset.known.any():
        raise DatasetError(f"{log.path}: names no visitor; ask for anonymous ones too")
    return dataset.take(dataset.known)


def _left_out(skipped: SkippedRows) -> str:
    """Say what the reader left out most often, which may be why there is too little."""
    if not skipped.total:
        return ""
    reason = max(skipped.counts, key=skipped.counts.__getitem__)
    example = skipped.examples[reason][0]
    return f"; left out {skipped.counts[reason]:,} times by the reader: {reason}, for example {example.where}: {example.what}"


def _counted(events: Iterable[Event], progress: ReadProgress, on_progress: Callable[[str], None]) -> Iterator[Event]:
    for count, event in enumerate(events):
        if count % _EVENTS_PER_WORD == 0:
            # Sorted, all is read before the first event comes.
            share = f", {progress.share:.0%} of the log" if 0.0 < progress.share < 1.0 else ""
            on_progress(f"replaying, {count:,} events so far{share}")
        yield event
