"""Every part runs before the first caller waits for it."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from time import monotonic, sleep
from typing import Any

import numpy as np

from presage_featurizer import MICROS
from presage_featurizer.ranking.compiled import kernels, load_kernels
from presage_server.call import Call
from presage_server.clock import system_clock
from presage_server.drift.counting import ServedCounts
from presage_server.errors import ModelError
from presage_server.models.binding import TableBinding
from presage_server.models.model import Model
from presage_server.models.ranking import RankingModel
from presage_server.models.served import Models
from presage_server.models.swapping import VersionFailedError
from presage_server.pipeline.batch import Batch
from presage_server.ranking.current_items import ItemSource
from presage_server.ranking.jobs import RankJob
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.encoding import encode_prediction
from presage_server.rpc.ranking_encoding import encode_ranking
from presage_server.rpc.status import Status
from presage_server.scoring.jobs import ScoreJob
from presage_server.scoring.scorer import Scorer
from presage_server.store.redis_store import RedisStore
from presage_server.telemetry.metrics import Metrics

__all__ = ["VersionWarmer", "warm_up"]

_logger = logging.getLogger(__name__)

_BATCHES = 50
_SIZES = (1, 32)
_RANKINGS = 20
_RANK_ID = "0" * 32
_WAIT_SECONDS = 1.0
_SIZES_BESIDE_CALLS = (1, 2, 4, 8, 16, 32)
_RANKINGS_BESIDE_CALLS = 3
_PAUSE_SECONDS = 0.0005
"""Between two runs beside calls: the interpreter's lock is not given to who waits for it, but to who asks first."""


class _WarmUpCall(Call):
    __slots__ = ("failure",)

    def __init__(self, *described: Any) -> None:
        super().__init__(*described)
        self.failure: Status | None = None

    def send_reply(self, payload: bytes) -> None:
        pass

    def send_failure(self, status: Status) -> None:
        self.failure = status


def warm_up(models: Models, store: RedisStore, items: ItemSource) -> None:
    """Read from the store, and run every model; nothing of it is counted or logged.

    Raises:
        ModelError: A model cannot score a visitor without history, or rank items for one.
    """
    _warm_up_scores(models, store)
    _warm_up_rankings(models, items)


class VersionWarmer:
    """Runs versions that are about to serve, beside the thread that serves. For one thread.

    Args:
        binding: Binds the tables of ranking models.
        items: What they rank.
        counts: Counts what they serve; None if nothing does.
    """

    def __init__(self, binding: TableBinding, items: ItemSource, counts: ServedCounts | None = None) -> None:
        self._binding = binding
        self._items = items
        self._counts = counts
        self._metrics = Metrics()

    def __call__(self, versions: Sequence[Model | RankingModel]) -> None:
        """Run versions.

        Raises:
            VersionFailedError: One cannot score a visitor without history, or rank items for one.
        """
        ranking = [version for version in versions if isinstance(version, RankingModel)]
        if ranking and kernels() is None:
            _load_compiled()  # it is the first one: nothing ranked at start
        self._binding.add(ranking, self._items)
        if self._counts is not None:
            self._counts.read_ahead([version for version in versions if isinstance(version, Model)])
        scorer = Scorer(self._metrics)
        for version in versions:
            try:
                if isinstance(version, RankingModel):
                    ranker = Ranker(self._items, self._metrics)
                    for _ in range(_RANKINGS_BESIDE_CALLS):
                        _rank_once(ranker, version)
                        sleep(_PAUSE_SECONDS)
                else:
                    _score_once(scorer, version, 1)
                    _run_session(version)
            except ModelError as error:
                raise VersionFailedError(version.name, version.version, str(error)) from error


def _run_session(model: Model) -> None:
    """Run a model on as many rows as batches have, which needs the interpreter's lock only for a moment."""
    for size in _SIZES_BESIDE_CALLS:
        model.bundle.model.margins(np.zeros((size, len(model.feature_set.features)), np.float32))
        sleep(_PAUSE_SECONDS)


def _warm_up_scores(models: Models, store: RedisStore) -> None:
    scorer = Scorer(Metrics())
    for model in models:
        for _ in range(_BATCHES):
            for size in _SIZES:
                store.read([f"warm-up-{number}" for number in range(size)], lambda _: None)
                store.link.pump(_WAIT_SECONDS)
                _score_once(scorer, model, size)


def _score_once(scorer: Scorer, model: Model, size: int) -> None:
    batch, now = Batch(monotonic()), system_clock()
    jobs = [
        ScoreJob(_WarmUpCall("", b"", 0.0, 0.0), f"warm-up-{number}", "", model, now, batch.stages, _encode)
        for number in range(size)
    ]
    scorer.score(jobs, batch.stages)
    if jobs[0].error is not None:
        raise ModelError(f"models: {model.name} {model.version} cannot score: {jobs[0].error}")


def _warm_up_rankings(models: Models, items: ItemSource) -> None:
    ranker = Ranker(items, Metrics())
    width = items.features.items.bucket_micros
    if models.ranking_models:
        _load_compiled()
    for model in models.ranking_models:
        if model.bucket_micros != width:
            _logger.warning(
                "model %s was trained on items counted every %d s, but here they are every %d s: set item_bucket_seconds",
                model.name,
                model.bucket_micros // MICROS,
                width // MICROS,
            )
        for _ in range(_RANKINGS):
            _rank_once(ranker, model)


def _load_compiled() -> None:
    """Load what ranks faster, before it is needed, for it may take a while."""
    compiled = load_kernels()
    _logger.info(
        "features of rankings: %s", "by numpy (the extra 'compiled' is faster)" if compiled is None else "compiled"
    )


def _rank_once(ranker: Ranker, model: RankingModel) -> None:
    now = monotonic()
    call = _WarmUpCall("", b"", now, now + _WAIT_SECONDS)
    job = RankJob(call, _RANK_ID, "warm-up", "", model, system_clock(), Batch(now).stages, encode_ranking)
    job.candidate_ids = [f"warm-up-{number}" for number in range(job.k)]
    ranker.add(job)
    ranker.work(now, briefly=False)
    if call.failure is not None:
        raise ModelError(f"models: {model.name} {model.version} cannot rank: {call.failure.message}")


def _encode(job: ScoreJob, error: object) -> None:
    if error is None:
        encode_prediction(job)
