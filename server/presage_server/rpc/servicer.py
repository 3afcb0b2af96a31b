"""The scoring service: every method decodes, calls, encodes, and nothing else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence

from presage.v1 import event_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_featurizer import Event
from presage_server.call import Call
from presage_server.clock import Clock
from presage_server.errors import RpcError
from presage_server.models.loading import Models
from presage_server.pipeline.fair_turn import FairTurn
from presage_server.pipeline.in_flight import InFlight
from presage_server.rpc.decoding import (
    check_batch,
    check_batch_items,
    check_batch_of_visitor,
    decode_as_of,
    decode_event,
    decode_session_id,
    decode_targets,
    decode_user_id,
    decode_vectors,
)
from presage_server.rpc.encoding import encode_result, encode_timings, encode_vector, fill_prediction
from presage_server.rpc.frame import rpc
from presage_server.scoring.scorer import Known, Scorer, Target
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.tracker import Tracker

__all__ = ["ScoringServicer"]


class ScoringServicer(scoring_service_pb2_grpc.ScoringServiceServicer):
    """presage.v1.ScoringService."""

    def __init__(
        self,
        *,
        tracker: Tracker,
        scorer: Scorer,
        models: Models,
        metrics: Metrics,
        clock: Clock,
        new_id: Callable[[], str],
        in_flight: InFlight,
        timeout_seconds: float,
    ) -> None:
        self.metrics = metrics
        self.in_flight = in_flight
        self.timeout_seconds = timeout_seconds
        self._tracker = tracker
        self._scorer = scorer
        self._models = models
        self._clock = clock
        self._new_id = new_id

    @rpc
    async def TrackEvent(  # noqa: N802 - gRPC's name, here and below
        self, request: scoring_service_pb2.TrackEventRequest, call: Call
    ) -> scoring_service_pb2.TrackEventResponse:
        """Fold one event; on request, score right after it."""
        event = self._decode(request.event, self._clock(), "event", Counter())
        model = self._models[request.model]
        self.metrics.stages["decode"].observe(call.stopwatch.lap("decode"))
        (tracked,) = await self._tracker.track([event], call.stopwatch)
        if isinstance(tracked, RpcError):
            raise tracked
        if not request.score:
            return scoring_service_pb2.TrackEventResponse(duplicate=tracked.duplicate)
        target = Target(event.user_id, event.session_id)
        known = Known(tracked.state, degraded=tracked.damaged)
        scored = await self._scorer.score_known_one(target, known, model, event.event_time_unix_micros, call)
        timings = encode_timings(call.stopwatch) if request.include_timings else None
        response = scoring_service_pb2.TrackEventResponse(duplicate=tracked.duplicate)
        fill_prediction(response.prediction, scored, include_features=request.include_features, timings=timings)
        return response

    @rpc
    async def TrackEvents(  # noqa: N802
        self, request: scoring_service_pb2.TrackEventsRequest, _call: Call
    ) -> scoring_service_pb2.TrackEventsResponse:
        """Fold a batch of events."""
        check_batch(request.events, "events")
        check_batch_items(request.events, "events")
        decoded = await self._decode_each(request)
        events = [event for event in decoded if isinstance(event, Event)]
        tracked = iter(await self._tracker.track(events) if events else [])
        return scoring_service_pb2.TrackEventsResponse(
            results=[encode_result(next(tracked) if isinstance(event, Event) else event) for event in decoded]
        )

    @rpc
    async def Score(  # noqa: N802
        self, request: scoring_service_pb2.ScoreRequest, call: Call
    ) -> scoring_service_pb2.ScoreResponse:
        """Score one visitor."""
        target = Target(decode_user_id(request.user_id), decode_session_id(request.session_id))
        now_unix_micros = decode_as_of(request.as_of_unix_micros, self._clock())
        model = self._models[request.model]
        self.metrics.stages["decode"].observe(call.stopwatch.lap("decode"))
        scored = await self._scorer.score_one(target, model, now_unix_micros, call)
        timings = encode_timings(call.stopwatch) if request.include_timings else None
        response = scoring_service_pb2.ScoreResponse()
        fill_prediction(response.prediction, scored, include_features=request.include_features, timings=timings)
        self.metrics.stages["encode"].observe(call.stopwatch.lap("encode"))
        return response

    @rpc
    async def ScoreBatch(  # noqa: N802
        self, request: scoring_service_pb2.ScoreBatchRequest, call: Call
    ) -> scoring_service_pb2.ScoreBatchResponse:
        """Score many visitors."""
        check_batch(request.targets, "targets")
        targets = [Target(user_id, session_id) for user_id, session_id in decode_targets(request.targets)]
        now_unix_micros = decode_as_of(request.as_of_unix_micros, self._clock())
        model = self._models[request.model]
        self.metrics.stages["decode"].observe(call.stopwatch.lap("decode"))
        scored = await self._scorer.score(targets, model, now_unix_micros, call)
        response = scoring_service_pb2.ScoreBatchResponse()
        for one in scored:
            fill_prediction(response.predictions.add(), one, include_features=request.include_features)
        self.metrics.stages["encode"].observe(call.stopwatch.lap("encode"))
        return response

    @rpc
    async def ScoreVectors(  # noqa: N802
        self, request: scoring_service_pb2.ScoreVectorsRequest, _call: Call
    ) -> scoring_service_pb2.ScoreVectorsResponse:
        """Score the caller's own vectors."""
        model = self._models[request.model]
        rows = decode_vectors(request.vectors, model.feature_set)
        scored = await self._scorer.score_vectors(rows, model)
        response = scoring_service_pb2.ScoreVectorsResponse()
        for one in scored:
            fill_prediction(response.predictions.add(), one)
        return response

    @rpc
    async def GetFeatures(  # noqa: N802
        self, request: scoring_service_pb2.GetFeaturesRequest, _call: Call
    ) -> scoring_service_pb2.GetFeaturesResponse:
        """Answer with the vector that Score would use."""
        target = Target(decode_user_id(request.user_id), decode_session_id(request.session_id))
        now_unix_micros = decode_as_of(request.as_of_unix_micros, self._clock())
        feature_set = self._models.feature_set(request.feature_set)
        vector = await self._scorer.features(target, feature_set, now_unix_micros)
        return scoring_service_pb2.GetFeaturesResponse(features=encode_vector(vector, feature_set))

    def _decode(self, message: event_pb2.Event, now_unix_micros: int, field: str, visitors: Counter[str]) -> Event:
        try:
            check_batch_of_visitor(visitors, message.user_id, field)
            return decode_event(message, now_unix_micros, self._new_id, field)
        except RpcError:
            self.metrics.events_refused.inc()
            raise

    async def _decode_each(self, request: scoring_service_pb2.TrackEventsRequest) -> Sequence[Event | RpcError]:
        now_unix_micros = self._clock()
        decoded: list[Event | RpcError] = []
        visitors: Counter[str] = Counter()
        turn = FairTurn()
        for position, message in enumerate(request.events):
            field = f"events[{position}]"
            try:
                decoded.append(self._decode(message, now_unix_micros, field, visitors))
            except RpcError as error:
                decoded.append(error)
            await turn.take(1 + len(message.items))
        return decoded
