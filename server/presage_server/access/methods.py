"""Which scope each method needs: one table of all methods that a server has. A method that is not in it cannot be called."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

from grpc_health.v1 import health_pb2

from presage.v1 import model_service_pb2, ranking_service_pb2, scoring_service_pb2
from presage_server.access.scopes import OpenPart, Scope
from presage_server.rpc.reflection import SERVICE_NAMES as REFLECTION_NAMES

__all__ = ["METHODS"]

_SCORING: Final = scoring_service_pb2.DESCRIPTOR.services_by_name["ScoringService"].full_name
_RANKING: Final = ranking_service_pb2.DESCRIPTOR.services_by_name["RankingService"].full_name
_MODELS: Final = model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name
_HEALTH: Final = health_pb2.DESCRIPTOR.services_by_name["Health"].full_name

METHODS: Final[Mapping[str, Scope | OpenPart]] = MappingProxyType(
    {
        f"/{_SCORING}/TrackEvent": Scope.TRACK,  # and `score` for the score that it can return
        f"/{_SCORING}/TrackEvents": Scope.TRACK,
        f"/{_SCORING}/Score": Scope.SCORE,
        f"/{_SCORING}/ScoreBatch": Scope.SCORE,
        f"/{_SCORING}/ScoreVectors": Scope.SCORE,
        f"/{_SCORING}/GetFeatures": Scope.SCORE,
        f"/{_RANKING}/Rank": Scope.SCORE,
        f"/{_RANKING}/NextItems": Scope.SCORE,
        f"/{_RANKING}/SimilarItems": Scope.SCORE,
        f"/{_RANKING}/ListItems": Scope.SCORE,
        f"/{_RANKING}/UpsertItems": Scope.ADMIN,
        f"/{_MODELS}/Explain": Scope.SCORE,
        f"/{_MODELS}/ListModels": Scope.ADMIN,
        f"/{_MODELS}/GetModel": Scope.ADMIN,
        f"/{_MODELS}/SetAliases": Scope.ADMIN,
        f"/{_HEALTH}/Check": OpenPart.HEALTH,
        f"/{_HEALTH}/List": OpenPart.HEALTH,
        f"/{_HEALTH}/Watch": OpenPart.HEALTH,
        **{f"/{name}/ServerReflectionInfo": OpenPart.REFLECTION for name in REFLECTION_NAMES},
    }
)
"""By path."""
