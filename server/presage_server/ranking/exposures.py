"""The log of what was ranked for whom: exposures, written beside the visitor's events without anybody waiting for them."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.event_log import EXPOSURE_FIELD, Exposure, encode_exposure, last_event_of
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.placements import Arranged, Scored
from presage_server.ranking.jobs import RankJob
from presage_server.store.lossy_log import EntryWriter, LossyLog
from presage_server.telemetry.metrics import Metrics

__all__ = ["ExposureLog"]


class ExposureLog:
    """Logs a share of the rankings, and the features of a share of these.

    Args:
        share: The share of rankings that are logged, 0 to 1.
        features_share: The share of these whose features are logged, too.
        random: Returns a number from 0 to below 1.
        writer: Takes the exposures.
        metrics: Counts how many were logged and dropped.
    """

    def __init__(
        self,
        *,
        share: float,
        features_share: float,
        random: Callable[[], float],
        writer: EntryWriter,
        metrics: Metrics,
    ) -> None:
        self._share = share
        self._features_share = features_share
        self._random = random
        self._log = LossyLog(
            what="rankings",
            field=EXPOSURE_FIELD,
            writer=writer,
            logged=metrics.exposures_logged,
            dropped=metrics.exposures_dropped,
        )

    def offer(
        self,
        job: RankJob,
        scored: Scored,
        arranged: Arranged,
        *,
        given: NDArray[np.int64] | None,
        features: NDArray[np.float32],
        cart_micros: int,
    ) -> None:
        """Log a ranking if it is drawn; drop it if too many wait already.

        Args:
            job: What was asked for.
            scored: The candidates, in any order, with what the rules used of them.
            arranged: What was returned.
            given: The place of each candidate among those that the caller named, from 1; None if it named none.
            features: One row for each candidate.
            cart_micros: What the visitor's cart costs.
        """
        if not self._draws(self._share):
            return
        live = scored.live
        assert live is not None, "the rules have used it"
        order = scored.order
        places = np.empty(len(order), "<u2")
        places[order] = np.arange(len(order), dtype="<u2")
        with_features = self._draws(self._features_share)

        def ordered(column: NDArray[np.generic], kind: str) -> bytes:
            return column.take(order, axis=0).astype(kind, copy=False).tobytes()

        def encode() -> bytes:
            return encode_exposure(
                Exposure(
                    rank_id=job.rank_id,
                    user_id=job.user_id,
                    session_id=job.session_id,
                    as_of_unix_micros=job.now_unix_micros,
                    last_event=last_event_of(job.state),
                    model=job.model.name,
                    model_version=job.model.version,
                    fingerprint=job.model.fingerprint,
                    epoch=job.epoch,
                    placement=job.placement,
                    next_items=job.next_items,
                    degraded=job.degraded,
                    k=job.k,
                    budget_micros=job.budget_micros,
                    cart_micros=cart_micros,
                    anchor=digest_number(job.anchor_id) if job.anchor_id else None,
                    candidates=ordered(scored.digests, "<u8"),
                    sources=ordered(scored.sources, "u1"),
                    given=bytes(2 * len(order)) if given is None else ordered(given, "<u2"),
                    scores=ordered(scored.scores, "<f8"),
                    prices=ordered(live.prices, "<f8"),
                    stocks=ordered(live.stock, "<i8"),
                    blocked=ordered(live.blocked, "u1"),
                    shown=places[arranged.places].tobytes(),
                    propensities=arranged.propensities.astype("<f8", copy=False).tobytes(),
                    rules=arranged.rules,
                    features=ordered(features, "<f4") if with_features else b"",
                )
            )

        self._log.offer(job.user_id, encode)

    def _draws(self, share: float) -> bool:
        return share >= 1.0 or (share > 0.0 and self._random() < share)
