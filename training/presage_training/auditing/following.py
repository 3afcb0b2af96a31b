"""Audits the batches of an archive one after another, in memory for one of them.

A batch is audited when the next one is there: what a server computed right before the end of a batch may be logged in the next.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import chain, groupby
from pathlib import Path

from presage_featurizer import FeatureSet, State, visitor_subject
from presage_featurizer.digests import digest
from presage_featurizer.event_log import EVENTS, VECTORS, ServedVector, last_event_of
from presage_training.audit import NO_FEATURE_SET, Models, VectorDifference, compare_vector
from presage_training.auditing.result import NO_BEGINNING, NO_EVENT
from presage_training.auditing.visitor_states import KnownVisitor, PeekedVector, VisitorStates
from presage_training.readers.formats.archive import (
    ArchivedEvent,
    archived_batches,
    last_batch,
    read_event_files,
    read_placed_vectors,
)
from presage_training.readers.skipped_rows import SkippedRows

__all__ = ["AuditProgress", "FollowingAudit", "Mismatch", "StoppedError"]


class StoppedError(Exception):
    """Expected: the audit was stopped within a batch, which it begins again the next time."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Mismatch:
    """A served vector that a replay does not reproduce, or whose score its model does not."""

    vector: ServedVector
    event_id: str
    """The last event before it; empty if the visitor had none."""
    difference: VectorDifference


@dataclass(kw_only=True, slots=True)
class AuditProgress:
    """What was audited since the start."""

    events: int = 0
    """Events that were replayed."""
    same: int = 0
    """Vectors that were reproduced, bit for bit."""
    scores: int = 0
    """Their scores that the model's bundle reproduced."""
    mismatches: Counter[tuple[str, str]] = field(default_factory=Counter)
    """Vectors that were not, by model and feature; ``score`` where only the score differs."""
    skipped: Counter[str] = field(default_factory=Counter)
    """Vectors that could not be compared, by the reason."""
    batches_behind: int = 0
    """Batches that are in the archive and not audited yet."""


@dataclass(kw_only=True, slots=True)
class _Open:
    """A vector that is looked for."""

    entry: str
    """Of the stream."""
    vector: ServedVector
    feature_set: FeatureSet
    is_next: bool
    """Whether it is of the next batch."""
    event_id: str = ""
    difference: VectorDifference | None = None
    is_same: bool = False
    has_no_beginning: bool = False


class FollowingAudit:
    """Compares what servers served with a replay, batch after batch.

    Args:
        archive: The folder of ``presage archive --to``.
        states: What is known of visitors.
        models: Returns the feature sets and bundles to compare with; asked at each batch. What they fold never changes.
        since_unix_micros: Vectors of moments before this one are left out.
        on_mismatch: Called with each mismatch, before it is saved that its batch was audited.
        is_stopped: Whether to end; asked often.
    """

    def __init__(
        self,
        archive: Path,
        states: VisitorStates,
        models: Callable[[], Models],
        *,
        since_unix_micros: int = 0,
        on_mismatch: Callable[[Mismatch], None],
        is_stopped: Callable[[], bool] = lambda: False,
    ) -> None:
        self._archive = archive
        self._states = states
        self._read_models = models
        self._models = models()
        self._since = since_unix_micros
        self._on_mismatch = on_mismatch
        self._is_stopped = is_stopped
        self._subject = visitor_subject(self._models.aggregates)
        self._waiting: dict[str, dict[int, list[Path]]] = {EVENTS: {}, VECTORS: {}}
        self._newest = -1
        """The archive's last batch when its files were listed."""
        self.progress = AuditProgress()
        self.unreadable = SkippedRows()
        """Events that this release cannot read."""

    def step(self, *, to_the_end: bool) -> bool:
        """Audit the next batch.

        Args:
            to_the_end: Whether the last batch is audited, too, though the next one is not there.

        Returns:
            Whether there was one.

        Raises:
            StoppedError: It was stopped; nothing of the batch is saved.
            TrainingError: The archive or the file of states cannot be used.
            OSError: A file cannot be opened.
        """
        numbers = self._list()
        self.progress.batches_behind = len(numbers)
        if not numbers or (numbers[0] == self._newest and not to_the_end):
            return False
        number, *following = numbers
        try:
            self._states.begin()
            self._audit(number, following[0] if following else None)
        except BaseException:
            self._states.roll_back()
            raise
        self.progress.batches_behind -= 1
        return True

    def _list(self) -> list[int]:
        """Find the batches that are not audited yet, and all of their files."""
        done = self._states.batch
        if (newest := last_batch(self._archive)) != self._newest:
            self._waiting = {kind: archived_batches(self._archive, kind, after=done) for kind in self._waiting}
            self._newest = newest
        return [number for number in sorted(set(chain(*self._waiting.values()))) if number > done]

    def _audit(self, number: int, following: int | None) -> None:
        result = AuditProgress()
        self._models = self._read_models()
        peeked = self._states.peeked()
        looked_for: dict[str, list[_Open]] = {}
        for each in self._open(number, result, is_next=False):
            if (before := peeked.get(each.entry)) is not None:
                each.event_id, each.difference = before.event_id, before.difference
                each.is_same = before.difference is None
            looked_for.setdefault(each.vector.user_id, []).append(each)
        if following is not None:
            for each in self._open(following, AuditProgress(), is_next=True):
                looked_for.setdefault(each.vector.user_id, []).append(each)
        seen = self._replay(
            read_event_files(self._waiting[EVENTS].pop(number, ()), self.unreadable), looked_for, result
        )
        for user_id in looked_for.keys() - seen:
            self._compare_known(self._states.get(user_id), looked_for[user_id])
        every = list(chain.from_iterable(looked_for.values()))
        for mismatch in [found for each in every if not each.is_next and (found := self._conclude(each, result))]:
            self._on_mismatch(mismatch)
        compared = (each for each in every if each.is_next and (each.is_same or each.difference is not None))
        self._states.commit(
            number,
            (
                (
                    each.entry,
                    PeekedVector(each.vector.user_id, each.event_id, None if each.is_same else each.difference),
                )
                for each in compared
            ),
        )
        self._waiting[VECTORS].pop(number, None)
        self._add(result)

    def _open(self, number: int, result: AuditProgress, *, is_next: bool) -> Iterator[_Open]:
        for entry, vector in read_placed_vectors(self._waiting[VECTORS].get(number, ())):
            if vector.as_of_unix_micros < self._since:
                continue
            feature_set = self._models.feature_set(vector.fingerprint)
            if feature_set is None:
                result.skipped[NO_FEATURE_SET] += 1
            else:
                yield _Open(entry=entry, vector=vector, feature_set=feature_set, is_next=is_next)

    def _replay(
        self, events: Iterator[ArchivedEvent], looked_for: dict[str, list[_Open]], result: AuditProgress
    ) -> set[str]:
        """Fold a batch's events, and compare vectors on the way; return the visitors among those looked for."""
        fold, states = self._subject.fold, self._states
        seen: set[str] = set()
        # A visitor's events are all of one partition, and a batch is sorted by partition.
        for _, of_partition in groupby(events, key=lambda archived: archived.place.partition):
            if self._is_stopped():
                raise StoppedError
            visitors: dict[str, KnownVisitor | None] = {}
            for archived in of_partition:
                event, user_id = archived.event, archived.event.user_id
                vectors = looked_for.get(user_id, ())
                if user_id not in visitors:
                    visitors[user_id] = states.get(user_id)
                    if vectors:
                        seen.add(user_id)
                        self._compare_known(visitors[user_id], vectors)
                before = visitors[user_id]
                result.events += 1
                if archived.fresh or before is not None:
                    state = fold(None if archived.fresh or before is None else before.state, event)
                    visitors[user_id] = KnownVisitor(state, event.event_id)
                    self._compare(state, event.event_id, vectors)
                elif vectors:
                    _note_no_beginning(digest(event.event_id), vectors)
            states.put((user_id, known) for user_id, known in visitors.items() if known is not None)
        return seen

    def _compare_known(self, known: KnownVisitor | None, vectors: Sequence[_Open]) -> None:
        """Compare the vectors that were computed from a visitor's state before a batch, or from none."""
        if known is not None:
            self._compare(known.state, known.event_id, vectors)
        for each in vectors:
            if not each.vector.last_event:
                self._compare_one(each, None, "")

    def _compare(self, state: State, event_id: str, vectors: Sequence[_Open]) -> None:
        if not vectors:
            return
        last_event = last_event_of(state)
        for each in vectors:
            if each.vector.last_event == last_event:
                self._compare_one(each, state, event_id)

    @staticmethod
    def _compare_one(each: _Open, state: State | None, event_id: str) -> None:
        if each.is_same:
            return
        each.event_id = event_id
        each.difference = compare_vector(each.vector, state, each.feature_set)
        each.is_same = each.difference is None

    def _conclude(self, each: _Open, result: AuditProgress) -> Mismatch | None:
        """Count a vector whose batch was replayed; return the mismatch if it is one."""
        difference = each.difference
        if each.is_same:
            score = self._models.score(each.vector)
            difference = None if score is None else self._models.score_difference(each.vector, score)
            if difference is None:
                result.same += 1
                result.scores += score is not None
                return None
        if difference is None:
            result.skipped[NO_BEGINNING if each.has_no_beginning else NO_EVENT] += 1
            return None
        result.mismatches[each.vector.model, difference.feature] += 1
        return Mismatch(vector=each.vector, event_id=each.event_id, difference=difference)

    def _add(self, result: AuditProgress) -> None:
        progress = self.progress
        progress.events += result.events
        progress.same += result.same
        progress.scores += result.scores
        progress.mismatches.update(result.mismatches)
        progress.skipped.update(result.skipped)


def _note_no_beginning(last_event: bytes, vectors: Sequence[_Open]) -> None:
    for each in vectors:
        if each.vector.last_event == last_event:
            each.has_no_beginning = True
