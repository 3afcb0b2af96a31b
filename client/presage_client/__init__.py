"""Client of a Presage server: track what visitors do, ask what they are about to do and what to show them.

Needs grpcio and protobuf only.
"""

from presage_client._metadata import request_context
from presage_client.aio import AsyncClient
from presage_client.aio_event_queue import AsyncEventQueue
from presage_client.blocking import Client
from presage_client.catalogue import CatalogueItem, ItemReport, ItemReports, UpsertOutcome
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
from presage_client.event_queue import EventQueue
from presage_client.explaining import Contribution, Explanation
from presage_client.hedging import Hedging, HedgingStats
from presage_client.models import (
    AliasChange,
    Aliases,
    GoldenCheck,
    ModelDetails,
    ModelKind,
    ModelSummary,
    RollbackRules,
    VersionState,
    VersionSummary,
)
from presage_client.options import ClientOptions
from presage_client.queueing import QueueOptions, QueueStats, WhenFull
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
from presage_client.tls import tls_credentials
from presage_client.types import (
    Arm,
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
    "AliasChange",
    "Aliases",
    "Arm",
    "AsyncClient",
    "AsyncEventQueue",
    "CatalogueItem",
    "Client",
    "ClientOptions",
    "Contribution",
    "DeadlineExceededError",
    "Device",
    "Event",
    "EventQueue",
    "EventType",
    "Exclusion",
    "Explanation",
    "Features",
    "GoldenCheck",
    "Hedging",
    "HedgingStats",
    "Intent",
    "InternalError",
    "InvalidRequestError",
    "Item",
    "ItemFilter",
    "ItemReport",
    "ItemReports",
    "ItemSource",
    "ModelDetails",
    "ModelKind",
    "ModelSummary",
    "NotFoundError",
    "OverloadedError",
    "Prediction",
    "PresageError",
    "QueueOptions",
    "QueueStats",
    "RankContext",
    "RankedItem",
    "Ranking",
    "RequestCancelledError",
    "RollbackRules",
    "ScoreTarget",
    "SimilarItems",
    "Timings",
    "TrackOutcome",
    "TrackResult",
    "UnavailableError",
    "UnsupportedError",
    "UpsertOutcome",
    "VersionState",
    "VersionSummary",
    "WhenFull",
    "request_context",
    "tls_credentials",
]
