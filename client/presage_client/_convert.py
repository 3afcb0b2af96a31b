"""Dataclasses to protobuf messages and back."""

from __future__ import annotations

from collections.abc import Sized
from enum import IntEnum
from typing import Any, TypeVar

from google.protobuf.message import Message
from grpc import StatusCode

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_client._checks import check_instance
from presage_client.errors import InternalError, error_from_number
from presage_client.types import Arm, Event, Prediction, ScoreTarget, Timings, TrackOutcome

__all__ = [
    "build",
    "check_count",
    "event_to_proto",
    "features_from_proto",
    "member_of",
    "outcome_from_proto",
    "prediction_from_proto",
    "target_to_proto",
    "timings_from_proto",
]

M = TypeVar("M", bound=Message)
E = TypeVar("E", bound=IntEnum)


def build(message_class: type[M], **fields: Any) -> M:
    """Make a message; where protobuf refuses a value, say of which field it is.

    Raises:
        TypeError: A field has a value of the wrong type.
        ValueError: A field has a value that its type cannot hold.
    """
    try:
        return message_class(**fields)
    except (TypeError, ValueError):
        for name, value in fields.items():
            try:
                message_class(**{name: value})
            except (TypeError, ValueError) as error:
                kind = TypeError if isinstance(error, TypeError) else ValueError
                raise kind(f"{name}: got {value!r}, which {message_class.__name__} cannot hold: {error}") from None
        raise


def event_to_proto(event: Event) -> event_pb2.Event:
    """Turn an event into its message.

    Raises:
        TypeError: It is not an event.
    """
    check_instance("event", event, Event)
    return build(
        event_pb2.Event,
        event_id=event.event_id,
        type=event.type,
        user_id=event.user_id,
        session_id=event.session_id,
        event_time_unix_micros=event.event_time_unix_micros,
        items=[
            build(
                event_pb2.Item,
                item_id=item.item_id,
                category=item.category,
                brand=item.brand,
                price=item.price,
                quantity=item.quantity,
                position=item.position,
                rank_id=item.rank_id,
                propensity=item.propensity,
            )
            for item in event.items
        ],
        country=event.country,
        device=event.device,
        order_id=event.order_id,
        value=event.value,
        currency=event.currency,
        numbers=dict(event.numbers),
        labels=dict(event.labels),
    )


def target_to_proto(target: str | ScoreTarget) -> scoring_service_pb2.ScoreTarget:
    """Turn a visitor, or a visitor and a session, into the message."""
    if isinstance(target, ScoreTarget):
        return build(scoring_service_pb2.ScoreTarget, user_id=target.user_id, session_id=target.session_id)
    return build(scoring_service_pb2.ScoreTarget, user_id=target)


def features_from_proto(vector: prediction_pb2.FeatureVector) -> dict[str, float]:
    """Read a vector as values by name, in its order; each value is a float32 held in a Python float."""
    check_count("feature names", vector.values, vector.names)
    return dict(zip(vector.names, vector.values, strict=True))


def prediction_from_proto(message: prediction_pb2.Prediction) -> Prediction:
    """Read a prediction."""
    return Prediction(
        score=message.score,
        model=message.model,
        model_version=message.model_version,
        cold_start=message.cold_start,
        degraded=message.degraded,
        no_session=message.no_session,
        features=features_from_proto(message.features) if message.HasField("features") else None,
        timings=timings_from_proto(message.timings) if message.HasField("timings") else None,
        arm=member_of(Arm, message.arm),
        prior=message.prior,
    )


def member_of(kind: type[E], number: int) -> E:
    """Return the member of that number; a newer server may send one that this client does not know."""
    try:
        return kind(number)
    except ValueError:
        return kind(0)


def timings_from_proto(message: prediction_pb2.Timings) -> Timings:
    """Read how long each stage took."""
    return Timings(
        decode_micros=message.decode_micros,
        queue_micros=message.queue_micros,
        store_micros=message.store_micros,
        featurize_micros=message.featurize_micros,
        model_micros=message.model_micros,
        total_micros=message.total_micros,
    )


def outcome_from_proto(message: scoring_service_pb2.TrackEventResult) -> TrackOutcome:
    """Read what became of one event of a batch."""
    error = error_from_number(message.code, message.message) if message.code else None
    return TrackOutcome(duplicate=message.duplicate, error=error)


def check_count(what: str, asked: Sized, got: Sized) -> None:
    """Refuse an answer whose parts could not be matched with what was asked.

    Raises:
        InternalError: The two differ in length.
    """
    if len(asked) != len(got):
        message = (
            f"the server broke the contract: expected {len(asked)} {what}, got {len(got)}; are both of one version?"
        )
        raise InternalError(message, StatusCode.INTERNAL)
