"""``presage.v1.RankingService``: lists of items. Its UpsertItems is not on the hot path and is served by ``catalogue_service``."""

from __future__ import annotations

from collections.abc import Callable

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.errors import UnknownPlacementError
from presage_featurizer.ranking.placements import Placements
from presage_server.call import Call
from presage_server.clock import Clock
from presage_server.errors import InvalidRequestError
from presage_server.models.served import Models
from presage_server.pipeline.batch import Batch
from presage_server.ranking.jobs import RankJob, SimilarJob
from presage_server.rpc.decoding import decode_as_of, decode_message, decode_session_id, decode_user_id
from presage_server.rpc.ranking_decoding import (
    Wanted,
    decode_candidates,
    decode_conditions,
    decode_context,
    decode_count,
    decode_item_id,
)
from presage_server.rpc.ranking_encoding import encode_ranking, encode_similar
from presage_server.rpc.registry import Method

__all__ = ["SERVICE_NAME", "RankingService"]

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["RankingService"].full_name
"""The service's name on the wire."""

_CURRENT: int = pb.EXCLUSION_CURRENT
_RANK_UNITS, _RANK_BYTES_PER_UNIT = 8, 512
"""A list is about as much work as this many scores, and each candidate's id adds to it."""


class RankingService:
    """The three methods that rank.

    Args:
        models: What is served.
        placements: The rules of each placement.
        clock: Returns the time in microseconds.
        new_rank_id: Returns 32 hexadecimal digits, drawn at random.
    """

    def __init__(self, *, models: Models, placements: Placements, clock: Clock, new_rank_id: Callable[[], str]) -> None:
        self._models = models
        self._placements = placements
        self._clock = clock
        self._new_rank_id = new_rank_id

    def methods(self) -> list[Method]:
        """List the methods, with about how much work a request of a given size is."""
        return [
            Method(
                f"/{SERVICE_NAME}/Rank",
                decode=self._rank,
                units=_RANK_UNITS,
                bytes_per_unit=_RANK_BYTES_PER_UNIT,
                heavy=True,
            ),
            Method(f"/{SERVICE_NAME}/NextItems", decode=self._next_items, units=_RANK_UNITS, heavy=True),
            Method(f"/{SERVICE_NAME}/SimilarItems", decode=self._similar_items, units=_RANK_UNITS, heavy=True),
        ]

    def _rank(self, call: Call, batch: Batch) -> None:
        request = decode_message(pb.RankRequest, call.request)
        job = self._job(call, batch, request)
        candidate_ids = request.candidate_ids
        if candidate_ids:
            job.candidate_ids = decode_candidates(candidate_ids)
        job.k = decode_count(request.k, len(candidate_ids))
        job.include_features = request.include_features
        job.include_timings = request.include_timings
        job.preview = request.preview
        batch.ranks.append(job)

    def _next_items(self, call: Call, batch: Batch) -> None:
        request = decode_message(pb.NextItemsRequest, call.request)
        job = self._job(call, batch, request)
        job.k = decode_count(request.k)
        job.next_items = True
        job.exclude |= {_CURRENT}
        batch.ranks.append(job)

    def _job(self, call: Call, batch: Batch, request: pb.RankRequest | pb.NextItemsRequest) -> RankJob:
        """Decode what both requests have."""
        user_id = decode_user_id(request.user_id)
        route = self._models.route_ranking(request.model, user_id)
        job = RankJob(
            call,
            self._new_rank_id(),
            user_id,
            decode_session_id(request.session_id),
            route.model,
            decode_as_of(request.as_of_unix_micros, self._clock()),
            batch.stages,
            encode_ranking,
            route,
        )
        wanted = decode_context(request.context) if request.HasField("context") else _NOTHING_WANTED
        job.placement = wanted.placement
        try:
            job.rules = self._placements[wanted.placement]
        except UnknownPlacementError as error:
            raise InvalidRequestError(str(error), field="context.placement") from error
        job.budget_micros = wanted.budget_micros
        job.anchor_id = wanted.anchor_id
        job.country = wanted.country
        job.conditions = wanted.conditions
        job.exclude = wanted.exclude
        return job

    def _similar_items(self, call: Call, batch: Batch) -> None:
        request = decode_message(pb.SimilarItemsRequest, call.request)
        job = SimilarJob(
            call,
            decode_item_id(request.item_id, "item_id"),
            self._models.ranking(request.model),
            decode_count(request.k),
            _reply_similar,
        )
        if request.HasField("filter"):
            job.conditions = decode_conditions(request.filter, "filter")
        batch.similar.append(job)


_NOTHING_WANTED = Wanted()


def _reply_similar(job: SimilarJob) -> None:
    job.call.reply(encode_similar(job))
