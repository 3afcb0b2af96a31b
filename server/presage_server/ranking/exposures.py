"""The log of what was ranked for which visitor: exposures, written beside the visitor's events without anybody waiting for them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from presage_featurizer.event_log import EXPOSURE_FIELD, Exposure, encode_exposure, last_event_of
from presage_featurizer.ranking.assembling import digest_number
from presage_featurizer.ranking.placements import Arranged, Scored
from presage_server.ranking.finding import Candidates
from presage_server.ranking.jobs import RankJob
from presage_server.store.lossy_log import EntryWriter, LossyLog
from presage_server.telemetry.metrics import Metrics

__all__ = ["ExposureLog", "Ranked"]


class Ranked(NamedTuple):
    """A list that was returned, and what it was made from."""

    job: RankJob
    candidates: Candidates
    scored: Scored
    """The candidates, in any order, with what the rules used of them."""
    arranged: Arranged


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

    def offer(self, ranked: Ranked) -> None:
        """Log a ranking if it is drawn; drop it if too many wait already."""
        if self._draws(self._share):
            self.log(ranked)

    def log(self, ranked: Ranked, others: Sequence[tuple[str, NDArray[np.float64]]] = ()) -> None:
        """Log a ranking, or drop it if too many wait already.

        Args:
            ranked: What was returned, and what it was made from.
            others: Other versions, and their scores of the same candidates in the same order as those of ``ranked``.
        """
        with_features = self._draws(self._features_share)
        self._log.offer(
            ranked.job.user_id, lambda: encode_exposure(_exposure(ranked, others, with_features=with_features))
        )

    def _draws(self, share: float) -> bool:
        return share >= 1.0 or (share > 0.0 and self._random() < share)


def _exposure(ranked: Ranked, others: Sequence[tuple[str, NDArray[np.float64]]], *, with_features: bool) -> Exposure:
    job, candidates, scored, arranged = ranked
    live, given = candidates.live, candidates.given
    order = scored.order
    places = np.empty(len(order), "<u2")
    places[order] = np.arange(len(order), dtype="<u2")

    def ordered(column: NDArray[np.generic], kind: str) -> bytes:
        return column.take(order, axis=0).astype(kind, copy=False).tobytes()

    return Exposure(
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
        cart_micros=candidates.cart_micros,
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
        features=ordered(candidates.features, "<f4") if with_features else b"",
        arm=job.arm,
        arm_propensity=1.0 if job.route is None else job.route.propensity,
        others=tuple((version, ordered(scores, "<f8")) for version, scores in others),
    )
