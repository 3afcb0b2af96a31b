"""What an answer may be: its status, its text, its numbers."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isfinite

import grpc
from google.protobuf.message import DecodeError, Message

from benchmarks.fuzzing.requests.drawing import Drawn
from presage.v1 import ranking_service_pb2, scoring_service_pb2

__all__ = ["Answer", "Applied", "applied_events", "faults_of"]

_INTERNALS = re.compile(
    rb"Traceback|File \"|\.py\b|site-packages|object at 0x|<class|<function|<bound|__[a-z]\w*__|NoneType"
    rb"|presage_(?:server|featurizer|export)|[A-Z][A-Za-z]*(?:Error|Exception)\b|errno|/tmp/|/proc/|WRONGTYPE|EVALSHA|\.lua\b"
)
"""Names of classes and modules, paths, tracebacks, words of the store."""
_MAX_DETAILS_CHARACTERS = 1_000
_INVALID: int = grpc.StatusCode.INVALID_ARGUMENT.value[0]


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of a request."""

    code: grpc.StatusCode
    details: str
    responses: Sequence[bytes]


@dataclass(frozen=True, slots=True)
class Applied:
    """What a request changed, as its answer says."""

    users: Counter[str]
    """Events that were applied, by visitor."""


def faults_of(drawn: Drawn, answer: Answer, *, max_message_bytes: int) -> Iterator[tuple[str, str]]:
    """Say what is wrong with an answer: kinds, and what it is in this case."""
    method = drawn.method
    too_large = len(drawn.request) > max_message_bytes
    allowed = {grpc.StatusCode.RESOURCE_EXHAUSTED} if too_large else method.statuses
    if answer.code not in allowed:
        yield f"{method.name} answers {answer.code.name}", answer.details
    if found := _INTERNALS.search(answer.details.encode(errors="replace")):
        yield f"{method.name} shows internals", f"{found[0]!r} in {answer.details!r}"
    if len(answer.details) > _MAX_DETAILS_CHARACTERS:
        yield f"{method.name} says too much", f"{len(answer.details)} characters: {answer.details[:200]!r}"
    for encoded in answer.responses:
        try:
            response = method.response.FromString(encoded)
        except DecodeError:
            yield f"{method.name} responds with what is none", encoded[:100].hex()
            continue
        if found := _INTERNALS.search(encoded):
            yield f"{method.name} responds with internals", f"{found[0]!r} in {encoded[:500]!r}"
        if (name := _not_finite(response)) is not None:
            yield f"{method.name} responds with numbers that are not finite", name
        yield from _faults_of_results(method.name, response)


def applied_events(drawn: Drawn, answer: Answer) -> Applied:
    """Return which visitors' events were applied."""
    users: Counter[str] = Counter()
    for encoded in answer.responses:
        if drawn.method.request is scoring_service_pb2.TrackEventRequest:
            if not scoring_service_pb2.TrackEventResponse.FromString(encoded).duplicate:
                users[scoring_service_pb2.TrackEventRequest.FromString(drawn.request).event.user_id] += 1
        elif drawn.method.request is scoring_service_pb2.TrackEventsRequest:
            events = scoring_service_pb2.TrackEventsRequest.FromString(drawn.request).events
            results = scoring_service_pb2.TrackEventsResponse.FromString(encoded).results
            for event, result in zip(events, results, strict=True):
                if not result.code and not result.duplicate:
                    users[event.user_id] += 1
    return Applied(users)


def _faults_of_results(name: str, response: Message) -> Iterator[tuple[str, str]]:
    if not isinstance(response, scoring_service_pb2.TrackEventsResponse | ranking_service_pb2.UpsertItemsResponse):
        return
    for result in response.results:
        if result.code not in {0, _INVALID}:
            yield f"{name} has a result with code {result.code}", result.message


def _not_finite(message: Message) -> str | None:
    """Return the name of a field with a number that is not finite."""
    for known, value in message.ListFields():
        if known.cpp_type in {known.CPPTYPE_DOUBLE, known.CPPTYPE_FLOAT}:
            if not all(map(isfinite, value)) if known.is_repeated else not isfinite(value):
                return str(known.full_name)
        elif known.cpp_type == known.CPPTYPE_MESSAGE:
            if known.message_type.GetOptions().map_entry:
                continue
            for inner in value if known.is_repeated else (value,):
                if (found := _not_finite(inner)) is not None:
                    return found
    return None
