"""Ranked lists as bytes, written by hand as the responses in ``encoding``: a list has up to a thousand items."""

from __future__ import annotations

from struct import Struct

from presage.v1 import ranking_service_pb2 as pb
from presage.v1.prediction_pb2 import FeatureVector
from presage_server.ranking.jobs import RankedItems, RankJob, SimilarJob
from presage_server.rpc.encoding import encode_timings, tag_message

__all__ = ["encode_ranking", "encode_similar"]

_DOUBLE = Struct("<cd").pack
_SHORT = 128
"""Lengths below it are one byte."""
FEATURE_SET = "ranking"
"""What the features of a ranking model are called in responses."""


def encode_ranking(job: RankJob) -> bytes:
    """Encode the ``RankResponse`` or ``NextItemsResponse`` of a job; their common fields have the same numbers."""
    parts = [tag_message(b"\x0a", job.rank_id.encode())]
    parts += _encode_items(job.items, b"\x12", job.model.features)
    if job.intent:
        parts.append(b"\x18%c" % job.intent)
    basis = pb.RankingBasis(
        model=job.model.name,
        model_version=job.model.version,
        epoch=job.epoch,
        cold_start=job.cold_start,
        degraded=job.degraded,
        no_session=job.no_session,
    )
    parts.append(tag_message(b"\x22", basis.SerializeToString()))
    if job.include_timings:
        parts.append(tag_message(b"\x2a", encode_timings(job.call, job.stages).SerializeToString()))
    return b"".join(parts)


def encode_similar(job: SimilarJob) -> bytes:
    """Encode the ``SimilarItemsResponse`` of a job."""
    parts = _encode_items(job.items, b"\x0a", ())
    if job.cold:
        parts.append(b"\x10\x01")
    return b"".join(parts)


def _encode_items(items: RankedItems, tag: bytes, names: tuple[str, ...]) -> list[bytes]:
    parts = []
    for place, item_id in enumerate(items.ids):
        encoded = tag_message(b"\x0a", item_id.encode())
        score = items.scores[place]
        if score:
            encoded += _DOUBLE(b"\x11", score)
        encoded += b"\x18%c" % items.sources[place]
        for reason in items.reasons[place]:
            encoded += b"\x22%c%b" % (len(reason), reason.encode())
        if items.cold[place]:
            encoded += b"\x28\x01"
        encoded += _DOUBLE(b"\x31", items.propensities[place])
        for rule in items.rules[place]:
            encoded += b"\x3a%c%b" % (len(rule), rule.encode())
        price = items.prices[place]
        if price:
            encoded += _DOUBLE(b"\x41", price)
        if items.features is not None:
            vector = FeatureVector(feature_set=FEATURE_SET, names=names, values=items.features[place].tolist())
            encoded += tag_message(b"\x4a", vector.SerializeToString())
        parts.append(b"%b%c%b" % (tag, len(encoded), encoded) if len(encoded) < _SHORT else tag_message(tag, encoded))
    return parts
