"""``presage.v1.ScoringService``: each method decodes its request into units of work, and encodes what comes of them."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import Event
from presage_server.access.scopes import Scope
from presage_server.call import Call
from presage_server.clock import Clock
from presage_server.errors import NotPermittedError, RpcError
from presage_server.models.served import Models
from presage_server.pipeline.batch import Batch
from presage_server.rpc.decoding import (
    check_batch,
    check_batch_items,
    check_batch_of_visitor,
    decode_as_of,
    decode_event,
    decode_message,
    decode_session_id,
    decode_user_id,
)
from presage_server.rpc.encoding import DUPLICATE, encode_prediction, encode_vector, tag_prediction
from presage_server.rpc.registry import Method
from presage_server.rpc.slices import EventSlices, ScoreSlices, VectorSlices
from presage_server.scoring.jobs import FeaturesJob, ScoreJob, Vector
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.jobs import EventJob

__all__ = ["SERVICE_NAME", "ScoringService"]

SERVICE_NAME = pb.DESCRIPTOR.services_by_name["ScoringService"].full_name
"""The service's name on the wire."""

_UNITS_PER_EVENT = 2
_PREDICTION_OF_EVENT = b"\x12"  # field 2 of TrackEventResponse


class ScoringService:
    """The six methods.

    Args:
        models: What is served.
        clock: Returns the time in microseconds.
        new_id: Returns the id of an event that has none.
        metrics: Counts rejected events.
    """

    def __init__(self, *, models: Models, clock: Clock, new_id: Callable[[], str], metrics: Metrics) -> None:
        self._models = models
        self._clock = clock
        self._new_id = new_id
        self._metrics = metrics

    def methods(self) -> list[Method]:
        """List the methods, with about how much work a request of a given size is."""
        return [
            Method(f"/{SERVICE_NAME}/Score", decode=self._score),
            Method(f"/{SERVICE_NAME}/GetFeatures", decode=self._get_features),
            Method(f"/{SERVICE_NAME}/TrackEvent", decode=self._track_event, units=_UNITS_PER_EVENT, bytes_per_unit=256),
            Method(f"/{SERVICE_NAME}/TrackEvents", open=self._track_events, bytes_per_unit=48),
            Method(f"/{SERVICE_NAME}/ScoreBatch", open=self._score_batch, bytes_per_unit=32),
            Method(f"/{SERVICE_NAME}/ScoreVectors", open=self._score_vectors, bytes_per_unit=256),
        ]

    def _score(self, call: Call, batch: Batch) -> None:
        request = decode_message(pb.ScoreRequest, call.request)
        user_id = decode_user_id(request.user_id)
        route = self._models.route(request.model, user_id)
        job = ScoreJob(
            call,
            user_id,
            decode_session_id(request.session_id),
            route.model,
            decode_as_of(request.as_of_unix_micros, self._clock()),
            batch.stages,
            _reply_score,
            route,
        )
        job.include_features = request.include_features
        job.include_timings = request.include_timings
        batch.scores.append(job)

    def _get_features(self, call: Call, batch: Batch) -> None:
        request = decode_message(pb.GetFeaturesRequest, call.request)
        job = FeaturesJob(
            call,
            decode_user_id(request.user_id),
            decode_session_id(request.session_id),
            self._models.feature_set(request.feature_set),
            decode_as_of(request.as_of_unix_micros, self._clock()),
            _reply_features,
        )
        batch.features.append(job)

    def _track_event(self, call: Call, batch: Batch) -> None:
        try:
            request = decode_message(pb.TrackEventRequest, call.request)
            event = decode_event(request.event, self._clock(), self._new_id)
            if request.score:
                _check_may_score(call)
            route = self._models.route(request.model, event.user_id) if request.score or request.model else None
        except RpcError:
            self._metrics.events_invalid.inc()
            raise
        job = EventJob(call, event, batch.stages, _reply_event)
        if request.score and route is not None:
            job.score = ScoreJob(
                call,
                event.user_id,
                event.session_id,
                route.model,
                event.event_time_unix_micros,
                batch.stages,
                _keep_score,
                route,
            )
            job.score.include_features = request.include_features
            job.score.include_timings = request.include_timings
        batch.events.append(job)

    def _track_events(self, call: Call) -> EventSlices:
        request = decode_message(pb.TrackEventsRequest, call.request)
        check_batch(request.events, "events")
        check_batch_items(request.events, "events")
        now_unix_micros = self._clock()

        def decode(message: event_pb2.Event, field: str, visitors: Counter[str]) -> Event:
            try:
                check_batch_of_visitor(visitors, message.user_id, field)
                return decode_event(message, now_unix_micros, self._new_id, field)
            except RpcError:
                self._metrics.events_invalid.inc()
                raise

        return EventSlices(call, request, decode)

    def _score_batch(self, call: Call) -> ScoreSlices:
        request = decode_message(pb.ScoreBatchRequest, call.request)
        check_batch(request.targets, "targets")
        return ScoreSlices(call, request, self._models, decode_as_of(request.as_of_unix_micros, self._clock()))

    def _score_vectors(self, call: Call) -> VectorSlices:
        request = decode_message(pb.ScoreVectorsRequest, call.request)
        check_batch(request.vectors, "vectors")
        return VectorSlices(call, request, self._models)


def _check_may_score(call: Call) -> None:
    """Check that the caller may read scores, where that depends on the request; raises NotPermittedError."""
    principal = call.principal
    if principal is not None and Scope.SCORE not in principal.scopes:
        raise NotPermittedError(f"expected a token with the scope score, too, got {principal.name}", field="score")


def _reply_score(job: ScoreJob, error: RpcError | None) -> None:
    if error is None:
        job.call.reply(tag_prediction(encode_prediction(job)))
    else:
        job.call.fail(error)


def _reply_features(job: FeaturesJob, vector: Vector) -> None:
    features = encode_vector(vector, job.feature_set)
    response = pb.GetFeaturesResponse(features=features, cold_start=job.cold_start, no_session=job.no_session)
    job.call.reply(response.SerializeToString())


def _keep_score(_job: ScoreJob, _error: RpcError | None) -> None:
    """Do nothing yet: the score of an event is sent when the event has been stored."""


def _reply_event(job: EventJob, error: RpcError | None) -> None:
    if error is not None:
        job.call.fail(error)
        return
    encoded = DUPLICATE if job.duplicate else b""
    if job.score is not None:
        if job.score.error is not None:
            job.call.fail(job.score.error)
            return
        encoded += tag_prediction(encode_prediction(job.score), _PREDICTION_OF_EVENT)
    job.call.reply(encoded)
