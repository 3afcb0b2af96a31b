"""The methods that are called, and with which statuses each may answer."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import grpc
from google.protobuf.message import Message
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

from presage.v1 import model_service_pb2, ranking_service_pb2, scoring_service_pb2

__all__ = ["METHODS", "Method"]

_OK, _INVALID, _NOT_FOUND = grpc.StatusCode.OK, grpc.StatusCode.INVALID_ARGUMENT, grpc.StatusCode.NOT_FOUND
_ABORTED, _EXHAUSTED = grpc.StatusCode.ABORTED, grpc.StatusCode.RESOURCE_EXHAUSTED
_PRECONDITION = grpc.StatusCode.FAILED_PRECONDITION


@dataclass(frozen=True, kw_only=True)
class Method:
    """One method."""

    path: str
    request: type[Message]
    response: type[Message]
    statuses: frozenset[grpc.StatusCode]
    """Those that it may answer with, whatever it is sent."""
    weight: int = 40
    """How often it is called, beside the others."""
    changes: bool = False
    """Whether a call that succeeds changes what is stored of visitors."""

    @property
    def name(self) -> str:
        """Its name within its service."""
        return self.path.rpartition("/")[2]


def _method(
    service: str,
    module: object,
    name: str,
    *statuses: grpc.StatusCode,
    weight: int = 40,
    changes: bool = False,
) -> Method:
    return Method(
        path=f"/{service}/{name}",
        request=getattr(module, f"{name}Request"),
        response=getattr(module, f"{name}Response"),
        statuses=frozenset({_OK, *statuses}),
        weight=weight,
        changes=changes,
    )


_SCORING, _RANKING, _MODELS = "presage.v1.ScoringService", "presage.v1.RankingService", "presage.v1.ModelService"

METHODS: Final = (
    _method(_SCORING, scoring_service_pb2, "TrackEvent", _INVALID, _NOT_FOUND, weight=64, changes=True),
    _method(_SCORING, scoring_service_pb2, "TrackEvents", _INVALID, changes=True),
    _method(_SCORING, scoring_service_pb2, "Score", _INVALID, _NOT_FOUND, weight=64),
    _method(_SCORING, scoring_service_pb2, "ScoreBatch", _INVALID, _NOT_FOUND),
    _method(_SCORING, scoring_service_pb2, "ScoreVectors", _INVALID, _NOT_FOUND),
    _method(_SCORING, scoring_service_pb2, "GetFeatures", _INVALID, _NOT_FOUND),
    _method(_RANKING, ranking_service_pb2, "Rank", _INVALID, _NOT_FOUND),
    _method(_RANKING, ranking_service_pb2, "NextItems", _INVALID, _NOT_FOUND),
    _method(_RANKING, ranking_service_pb2, "SimilarItems", _INVALID, _NOT_FOUND),
    _method(_RANKING, ranking_service_pb2, "UpsertItems", _INVALID, weight=24),
    _method(_RANKING, ranking_service_pb2, "ListItems", _INVALID, weight=8),
    _method(_MODELS, model_service_pb2, "ListModels", _INVALID, weight=4),
    _method(_MODELS, model_service_pb2, "GetModel", _INVALID, _NOT_FOUND, weight=8),
    _method(_MODELS, model_service_pb2, "SetAliases", _INVALID, _NOT_FOUND, _ABORTED, _PRECONDITION, weight=1),
    # Explanations are made one after the other: with more than a few of them, further calls are rejected.
    _method(_MODELS, model_service_pb2, "Explain", _INVALID, _NOT_FOUND, _PRECONDITION, _EXHAUSTED, weight=8),
    Method(
        path="/grpc.health.v1.Health/Check",
        request=health_pb2.HealthCheckRequest,
        response=health_pb2.HealthCheckResponse,
        statuses=frozenset({_OK, _INVALID, _NOT_FOUND}),
        weight=4,
    ),
    Method(
        path="/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        request=reflection_pb2.ServerReflectionRequest,
        response=reflection_pb2.ServerReflectionResponse,
        statuses=frozenset({_OK, _INVALID}),
        weight=4,
    ),
)
"""Every method of every service."""
