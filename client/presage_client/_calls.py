"""What each method sends and how it reads the answer: all that the async and the blocking client have in common.

A method with any number of inputs becomes a series of calls, each within the contract's limits.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from itertools import islice
from typing import Any, Generic, TypeVar

from google.protobuf.message import Message

from presage.v1 import (
    event_pb2,
    model_service_pb2_grpc,
    prediction_pb2,
    ranking_service_pb2_grpc,
    scoring_service_pb2,
    scoring_service_pb2_grpc,
)
from presage_client._checks import to_unix_micros
from presage_client._convert import (
    build,
    check_count,
    event_to_proto,
    features_from_proto,
    outcome_from_proto,
    prediction_from_proto,
    target_to_proto,
)
from presage_client.types import Event, Features, Prediction, ScoreTarget, TrackOutcome, TrackResult

__all__ = [
    "MAX_EVENTS",
    "MAX_EVENTS_BYTES",
    "MAX_EVENTS_OF_ONE_USER",
    "MAX_ROWS",
    "Call",
    "features",
    "make_stubs",
    "score",
    "score_batch",
    "score_vectors",
    "track",
    "track_many",
]

MAX_EVENTS = 500
"""Most events in one TrackEvents: half of what the contract allows, so that a call ends well within its deadline."""
MAX_EVENTS_BYTES = 64 * 1024
"""Most encoded bytes of events in one TrackEvents; a single larger event travels alone."""
MAX_EVENTS_OF_ONE_USER = 64
"""Most events of one visitor in one TrackEvents.

The server recognises a visitor's last 128 events. A call that is repeated must find all of its events among them, also
when others were tracked meanwhile, or they count twice.
"""
MAX_ROWS = 1_000
"""Most visitors in one ScoreBatch, and vectors in one ScoreVectors: the contract's limit."""

# A repeated message costs its tag and its length on top: one byte and at most four, up to 256 MiB.
_FRAME_BYTES = 5

T = TypeVar("T")
T_co = TypeVar("T_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Call(Generic[T_co]):
    """One unary call."""

    method: str
    """The name of the RPC."""
    request: Message
    """What is sent."""
    read: Callable[[Any], T_co]
    """Turns the RPC's response into the result; raises InternalError where it breaks the contract."""
    repeated: bool = True
    """Whether it may be made again after the server has rejected it."""
    hedged: bool = False
    """Whether it may be sent a second time while the first is in flight: it changes nothing, and is small."""


def make_stubs(channel: Any) -> dict[str, Any]:
    """Make what sends the calls of each method over a channel, by the method's name; no two services share one."""
    return {
        **vars(scoring_service_pb2_grpc.ScoringServiceStub(channel)),
        **vars(ranking_service_pb2_grpc.RankingServiceStub(channel)),
        **vars(model_service_pb2_grpc.ModelServiceStub(channel)),
    }


def track(event: Event, *, score: bool, model: str, include_features: bool, include_timings: bool) -> Call[TrackResult]:
    """Make the call that tracks one event."""
    request = build(
        scoring_service_pb2.TrackEventRequest,
        event=event_to_proto(event),
        score=score,
        model=model,
        include_features=include_features,
        include_timings=include_timings,
    )
    return Call("TrackEvent", request, _read_track)


def _read_track(response: scoring_service_pb2.TrackEventResponse) -> TrackResult:
    prediction = prediction_from_proto(response.prediction) if response.HasField("prediction") else None
    return TrackResult(duplicate=response.duplicate, prediction=prediction)


def track_many(events: Iterable[Event]) -> Iterator[Call[list[TrackOutcome]]]:
    """Make the calls that track any number of events, in their order, as the events come."""
    for batch in _batches(events):
        yield Call(
            "TrackEvents",
            scoring_service_pb2.TrackEventsRequest(events=batch),
            partial(_read_outcomes, batch),
        )


def _batches(events: Iterable[Event]) -> Iterator[list[event_pb2.Event]]:
    batch: list[event_pb2.Event] = []
    batch_bytes = 0
    events_of_user: Counter[str] = Counter()
    for event in events:
        message = event_to_proto(event)
        event_bytes = message.ByteSize() + _FRAME_BYTES
        if batch and (
            len(batch) == MAX_EVENTS
            or batch_bytes + event_bytes > MAX_EVENTS_BYTES
            or events_of_user[event.user_id] == MAX_EVENTS_OF_ONE_USER
        ):
            yield batch
            batch, batch_bytes = [], 0
            events_of_user.clear()
        batch.append(message)
        batch_bytes += event_bytes
        events_of_user[event.user_id] += 1
    if batch:
        yield batch


def _read_outcomes(
    batch: Sequence[event_pb2.Event], response: scoring_service_pb2.TrackEventsResponse
) -> list[TrackOutcome]:
    check_count("results", batch, response.results)
    return [outcome_from_proto(result) for result in response.results]


def score(
    user_id: str,
    *,
    session_id: str,
    model: str,
    as_of_unix_micros: int | datetime,
    include_features: bool,
    include_timings: bool,
) -> Call[Prediction]:
    """Make the call that scores one visitor."""
    request = build(
        scoring_service_pb2.ScoreRequest,
        user_id=user_id,
        session_id=session_id,
        model=model,
        as_of_unix_micros=to_unix_micros("as_of_unix_micros", as_of_unix_micros),
        include_features=include_features,
        include_timings=include_timings,
    )
    return Call("Score", request, _read_score, hedged=True)


def _read_score(response: scoring_service_pb2.ScoreResponse) -> Prediction:
    # An answer without one would read as a score of zero.
    check_count("prediction", ["prediction"], response.ListFields())
    return prediction_from_proto(response.prediction)


def score_batch(
    targets: Iterable[str | ScoreTarget], *, model: str, as_of_unix_micros: int | datetime, include_features: bool
) -> Iterator[Call[list[Prediction]]]:
    """Make the calls that score any number of visitors.

    Raises:
        TypeError: The targets are a string, whose letters would be taken for visitors.
    """
    if isinstance(targets, str):
        raise TypeError(f"targets: expected several visitors, got the string {targets!r}; for one, call score")
    for chunk in _chunks(targets):
        request = build(
            scoring_service_pb2.ScoreBatchRequest,
            targets=[target_to_proto(target) for target in chunk],
            model=model,
            as_of_unix_micros=to_unix_micros("as_of_unix_micros", as_of_unix_micros),
            include_features=include_features,
        )
        yield Call("ScoreBatch", request, partial(_read_predictions, chunk))


def score_vectors(rows: Iterable[Sequence[float]], *, model: str) -> Iterator[Call[list[Prediction]]]:
    """Make the calls that score any number of the caller's own vectors."""
    for chunk in _chunks(rows):
        vectors = [build(prediction_pb2.FeatureVector, values=row) for row in chunk]
        request = build(scoring_service_pb2.ScoreVectorsRequest, model=model, vectors=vectors)
        yield Call("ScoreVectors", request, partial(_read_predictions, chunk))


def _chunks(inputs: Iterable[T]) -> Iterator[list[T]]:
    remaining = iter(inputs)
    while chunk := list(islice(remaining, MAX_ROWS)):
        yield chunk


def _read_predictions(
    asked: Sequence[object],
    response: scoring_service_pb2.ScoreBatchResponse | scoring_service_pb2.ScoreVectorsResponse,
) -> list[Prediction]:
    check_count("predictions", asked, response.predictions)
    return [prediction_from_proto(prediction) for prediction in response.predictions]


def features(user_id: str, *, session_id: str, feature_set: str, as_of_unix_micros: int | datetime) -> Call[Features]:
    """Make the call that reads a visitor's features."""
    request = build(
        scoring_service_pb2.GetFeaturesRequest,
        user_id=user_id,
        session_id=session_id,
        feature_set=feature_set,
        as_of_unix_micros=to_unix_micros("as_of_unix_micros", as_of_unix_micros),
    )
    return Call("GetFeatures", request, _read_features)


def _read_features(response: scoring_service_pb2.GetFeaturesResponse) -> Features:
    values = features_from_proto(response.features)
    return Features(values, cold_start=response.cold_start, no_session=response.no_session)
