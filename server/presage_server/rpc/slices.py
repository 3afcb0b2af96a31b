"""Large requests in parts: each part joins a batch of its own, and the response is sent when all parts are done."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

from presage.v1 import event_pb2
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import Event
from presage_server.call import Call
from presage_server.errors import RpcError, StoreUnavailableError
from presage_server.models.served import Models
from presage_server.pipeline.batch import Batch
from presage_server.rpc.decoding import decode_target, decode_vectors
from presage_server.rpc.encoding import (
    encode_prediction,
    encode_rejection,
    encode_result,
    encode_scores,
    tag_prediction,
)
from presage_server.scoring.jobs import ScoreJob, VectorsJob
from presage_server.tracking.jobs import EventJob

__all__ = ["EventSlices", "ScoreSlices", "VectorSlices"]

_ITEMS_PER_UNIT = 4
_UNITS_PER_EVENT = 2
_VECTORS_PER_UNIT = 4

EventDecoder = Callable[[event_pb2.Event, str, Counter[str]], Event]
"""Checks an event: the message, the field that it stands in, and how many events each visitor has had in the call so far."""


class _Parts:
    """The parts of a response, in order; the call is replied to when the last one is there."""

    __slots__ = ("_call", "_missing", "_parts")

    def __init__(self, call: Call, count: int) -> None:
        self._call = call
        self._parts = [b""] * count
        self._missing = count

    def reply_if_empty(self) -> None:
        if not self._parts:
            self._call.reply(b"")

    def put(self, place: int, part: bytes) -> None:
        self._parts[place] = part
        self._missing -= 1
        if not self._missing:
            self._call.reply(b"".join(self._parts))


class ScoreSlices:
    """The visitors of a ScoreBatch.

    Raises:
        InvalidRequestError: An id is missing or too long. All are checked first: once a slice is scored, its visitors are counted,
            and perhaps logged; of a call that is rejected, none may be.
    """

    def __init__(self, call: Call, request: pb.ScoreBatchRequest, models: Models, now_unix_micros: int) -> None:
        self._call = call
        self._targets = [decode_target(target, place) for place, target in enumerate(request.targets)]
        self._include_features = request.include_features
        self._served = models.served(request.model)  # all of a call's visitors, whatever replaces it meanwhile
        self._now_unix_micros = now_unix_micros
        self._next = 0
        self._parts = _Parts(call, len(self._targets))

    def add_to(self, batch: Batch, units: int) -> bool:
        """Add the next visitors to a batch."""
        self._parts.reply_if_empty()
        first, end = self._next, min(self._next + units, len(self._targets))
        for place in range(first, end):
            user_id, session_id = self._targets[place]
            route = self._served.route(user_id)
            job = ScoreJob(
                self._call, user_id, session_id, route.model, self._now_unix_micros, batch.stages, self._put, route
            )
            job.include_features = self._include_features
            job.place = place
            batch.scores.append(job)
        self._next = end
        return end < len(self._targets)

    def _put(self, job: ScoreJob, error: RpcError | None) -> None:
        if error is None:
            self._parts.put(job.place, tag_prediction(encode_prediction(job)))
        else:
            job.call.fail(error)


class EventSlices:
    """The events of a TrackEvents; each has a result of its own."""

    def __init__(self, call: Call, request: pb.TrackEventsRequest, decode: EventDecoder) -> None:
        self._call = call
        self._events = request.events
        self._decode = decode
        self._visitors: Counter[str] = Counter()
        self._next = 0
        self._parts = _Parts(call, len(request.events))

    def add_to(self, batch: Batch, units: int) -> bool:
        """Add the next events to a batch."""
        self._parts.reply_if_empty()
        count = len(self._events)
        while self._next < count and units > 0:
            place = self._next
            message = self._events[place]
            self._next += 1
            units -= _UNITS_PER_EVENT + len(message.items) // _ITEMS_PER_UNIT
            try:
                event = self._decode(message, f"events[{place}]", self._visitors)
            except RpcError as error:
                self._parts.put(place, encode_rejection(error))
                continue
            job = EventJob(self._call, event, batch.stages, self._put)
            job.place = place
            batch.events.append(job)
        return self._next < count

    def _put(self, job: EventJob, error: RpcError | None) -> None:
        if type(error) is StoreUnavailableError:  # not one visitor's trouble; all of the call can be sent again
            self._call.fail(error)
        else:
            self._parts.put(job.place, encode_result(job, error))


class VectorSlices:
    """The vectors of a ScoreVectors."""

    def __init__(self, call: Call, request: pb.ScoreVectorsRequest, models: Models) -> None:
        self._call = call
        self._vectors = request.vectors
        self._model = models[request.model]
        self._next = 0
        self._scores: list[bytes] = []

    def add_to(self, batch: Batch, units: int) -> bool:
        """Add the next vectors to a batch."""
        first, self._next = self._next, min(self._next + units * _VECTORS_PER_UNIT, len(self._vectors))
        if not self._vectors:
            self._call.reply(b"")
            return False
        rows = decode_vectors(self._vectors[first : self._next], self._model.feature_set, first)
        batch.vectors.append(VectorsJob(self._call, self._model, rows, self._append))
        return self._next < len(self._vectors)

    def _append(self, _job: VectorsJob, scores: list[float]) -> None:
        self._scores.append(encode_scores(scores, self._model.encoded_name))
        # Vectors need no store, so their parts are done in the order in which they were added.
        if self._next == len(self._vectors):
            self._call.reply(b"".join(self._scores))
