"""From what was read of visitors to rankings: each job goes to the ranker once, with the state, or without it if it cannot wait."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import cast

from presage_featurizer import State, StateError
from presage_featurizer.state import StatePart
from presage_server.errors import RpcError
from presage_server.ranking.jobs import RankJob
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.status import internal_error
from presage_server.scoring.scorer import Scorer
from presage_server.store.redis_store import Blob, RedisStore
from presage_server.store.snapshot import read_state

__all__ = ["RankReads"]

_NEEDS: frozenset[StatePart] = frozenset({"items"})


class RankReads:
    """Gives jobs their states.

    Args:
        ranker: Ranks items.
        store: Holds the visitors.
        scorer: Counts and logs states that cannot be read.
    """

    def __init__(self, ranker: Ranker, store: RedisStore, scorer: Scorer) -> None:
        self._ranker = ranker
        self._store = store
        self._scorer = scorer

    def add(self, jobs: Iterable[RankJob], blobs: Sequence[Blob]) -> None:
        """Have items ranked for visitors who have been read; there may be more blobs than jobs."""
        for job, blob in zip(jobs, blobs, strict=False):
            if _waits(job):
                self._add(job, blob)

    def degrade(self, jobs: Iterable[RankJob]) -> None:
        """Have items ranked for visitors without their history, marked as degraded."""
        for job in jobs:
            if _waits(job):
                job.degraded = True
                self._ranker.add(job)

    def _add(self, job: RankJob, blob: Blob) -> None:
        try:
            state = read_state(blob, _NEEDS) if blob.__class__ is bytes else self._store.snapshot(blob).damage
        except RpcError:  # the store rejects reads, as while it loads its data
            job.degraded, state = True, None
        except Exception as error:  # noqa: BLE001 - the visitor's own
            job.call.fail(internal_error(error, job.call.method, job.call.metadata))
            return
        if isinstance(state, StateError):
            self._scorer.note_unreadable(job.user_id, state)
            job.degraded = True
        else:
            job.state = cast("State | None", state)
        self._ranker.add(job)


def _waits(job: RankJob) -> bool:
    """Return whether a job waits for its state: its caller did not cancel, and it was not ranked without it."""
    return job.call.code is None and not job.queued
