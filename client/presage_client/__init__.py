"""Client of a Presage server: track what visitors do, ask what they are about to do and what to show them.

Needs grpcio and protobuf only.
"""

from presage_client.aio import AsyncClient
from presage_client.blocking import Client
from presage_client.catalogue import CatalogueItem, UpsertOutcome
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
from presage_client.explaining import Contribution, Explanation
from presage_client.options import ClientOptions
from presage_client.ranking import (
    Exclusion,
    Intent,
    ItemFilter,
    ItemSource,
    RankContext,
    RankedItem,
    Ranking,
    SimilarItems,
)
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
    "CatalogueItem",
    "Client",
    "ClientOptions",
    "Contribution",
    "DeadlineExceededError",
    "Device",
    "Event",
    "EventType",
    "Exclusion",
    "Explanation",
    "Features",
    "Intent",
    "InternalError",
    "InvalidRequestError",
    "Item",
    "ItemFilter",
    "ItemSource",
    "NotFoundError",
    "OverloadedError",
    "Prediction",
    "PresageError",
    "RankContext",
    "RankedItem",
    "Ranking",
    "RequestCancelledError",
    "ScoreTarget",
    "SimilarItems",
    "Timings",
    "TrackOutcome",
    "TrackResult",
    "UnavailableError",
    "UnsupportedError",
    "UpsertOutcome",
]
