"""Client of a Presage server: track what visitors do, ask what they are about to do. Needs grpcio and protobuf only."""

from presage_client.aio import AsyncClient
from presage_client.blocking import Client
from presage_client.errors import (
    AccessDeniedError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PresageError,
    RequestCancelledError,
    UnavailableError,
    UnsupportedError,
)
from presage_client.options import ClientOptions
from presage_client.types import (
    Device,
    Event,
    EventType,
    Features,
    Item,
    Prediction,
    ScoreTarget,
    Timings,
    TrackOutcome,
    TrackResult,
)

__all__ = [
    "AccessDeniedError",
    "AsyncClient",
    "Client",
    "ClientOptions",
    "DeadlineExceededError",
    "Device",
    "Event",
    "EventType",
    "Features",
    "InternalError",
    "InvalidRequestError",
    "Item",
    "NotFoundError",
    "OverloadedError",
    "Prediction",
    "PresageError",
    "RequestCancelledError",
    "ScoreTarget",
    "Timings",
    "TrackOutcome",
    "TrackResult",
    "UnavailableError",
    "UnsupportedError",
]
