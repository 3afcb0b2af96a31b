"""Responses as bytes.

The frequent ones are written by hand, field by field in the order of their numbers: that costs a tenth of building messages. Tests
compare every one with what protobuf reads and writes.
"""

from __future__ import annotations

from struct import Struct

from presage.v1 import prediction_pb2, scoring_service_pb2
from presage_featurizer import FeatureSet
from presage_server.call import Call
from presage_server.errors import RpcError
from presage_server.scoring.jobs import ScoreJob, Vector
from presage_server.telemetry.stages import Stages
from presage_server.tracking.jobs import EventJob

__all__ = [
    "encode_prediction",
    "encode_rejection",
    "encode_result",
    "encode_scores",
    "encode_timings",
    "encode_vector",
    "tag_message",
    "tag_prediction",
]

_SCORE = Struct("<cd").pack  # field 1, 64-bit
_COLD_START = b"\x20\x01"
_DEGRADED = b"\x28\x01"
_FEATURES = b"\x32"
_TIMINGS = b"\x3a"
_NO_SESSION = b"\x40\x01"
_ARM = b"\x48"
_PRIOR = b"\x50\x01"
_SHORT = 128
"""Lengths below it are one byte."""

DUPLICATE = b"\x08\x01"
"""Field 1 of TrackEventResponse and TrackEventResult."""


def encode_prediction(job: ScoreJob) -> bytes:
    """Encode the ``Prediction`` of a scored job."""
    encoded = _SCORE(b"\x09", job.score) + job.model.encoded_name
    if job.cold_start:
        encoded += _COLD_START
    if job.degraded:
        encoded += _DEGRADED
    if job.include_features:
        encoded += tag_message(_FEATURES, encode_vector(job.vector, job.model.feature_set).SerializeToString())
    if job.include_timings:
        encoded += tag_message(_TIMINGS, encode_timings(job.call, job.stages).SerializeToString())
    if job.no_session:
        encoded += _NO_SESSION
    route = job.route
    if route is not None and route.arm:
        encoded += b"%b%c" % (_ARM, route.arm)
    if job.model.is_prior:
        encoded += _PRIOR
    return encoded


def tag_prediction(encoded: bytes, tag: bytes = b"\x0a") -> bytes:
    """Wrap a prediction as a field of a response: field 1 of ScoreResponse and of batch responses, unless another tag is given."""
    return b"%b%c%b" % (tag, len(encoded), encoded) if len(encoded) < _SHORT else tag_message(tag, encoded)


def encode_scores(scores: list[float], encoded_name: bytes) -> bytes:
    """Encode the predictions of a ``ScoreVectorsResponse``: scores without anything known of a visitor."""
    return b"".join([tag_prediction(_SCORE(b"\x09", score) + encoded_name) for score in scores])


def encode_vector(vector: Vector, feature_set: FeatureSet) -> prediction_pb2.FeatureVector:
    """Return a feature vector with its names."""
    return prediction_pb2.FeatureVector(
        feature_set=feature_set.name, names=feature_set.features, values=vector.tolist()
    )


def encode_result(job: EventJob, error: RpcError | None) -> bytes:
    """Encode the ``TrackEventResult`` of one event, as a field of ``TrackEventsResponse``."""
    if error is None:
        return b"\x0a\x02\x08\x01" if job.duplicate else b"\x0a\x00"
    return encode_rejection(error)


def encode_rejection(error: RpcError) -> bytes:
    """Encode the ``TrackEventResult`` of an event that was rejected, as a field of ``TrackEventsResponse``."""
    result = scoring_service_pb2.TrackEventResult(code=error.code.value[0], message=str(error))
    return tag_message(b"\x0a", result.SerializeToString())


def encode_timings(call: Call, stages: Stages) -> prediction_pb2.Timings:
    """Return how long a call spent in each stage so far."""
    seconds = stages.seconds()
    return prediction_pb2.Timings(
        queue_micros=(stages.started - call.received) * 1e6,
        decode_micros=seconds.get("decode", 0.0) * 1e6,
        store_micros=(seconds.get("store", 0.0) + seconds.get("fold", 0.0)) * 1e6,
        featurize_micros=seconds.get("featurize", 0.0) * 1e6,
        model_micros=seconds.get("model", 0.0) * 1e6,
        total_micros=(stages.ended - call.received) * 1e6,
    )


def tag_message(tag: bytes, encoded: bytes) -> bytes:
    """Wrap a message, or text, as a field of a response."""
    length, size = len(encoded), bytearray()
    while length >= _SHORT:
        size.append(length & 0x7F | _SHORT)
        length >>= 7
    size.append(length)
    return tag + bytes(size) + encoded
