"""Services of scores, rankings and models that answer as told and remember what they were asked, behind a real gRPC server."""

from __future__ import annotations

import socket
import threading
import time
from collections import deque
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from presage.v1 import (
    model_service_pb2,
    model_service_pb2_grpc,
    prediction_pb2,
    ranking_service_pb2,
    ranking_service_pb2_grpc,
    scoring_service_pb2,
    scoring_service_pb2_grpc,
)

if TYPE_CHECKING:
    from collections.abc import Iterator


@dataclass(frozen=True)
class Abort:
    """A step of the script: end the call with this status."""

    code: grpc.StatusCode
    details: str = ""
    trailing_metadata: tuple[tuple[str, str | bytes], ...] = ()


@dataclass(frozen=True)
class Hold:
    """A step of the script: say so in ``reached``, then wait until the call ends on the caller's side."""

    reached: threading.Event = field(default_factory=threading.Event)
    ended: threading.Event = field(default_factory=threading.Event)


@dataclass(frozen=True)
class Received:
    """One call as the server saw it."""

    method: str
    request: Any
    time_remaining_s: float
    metadata: dict[str, str] = field(default_factory=dict)
    peer: str = ""
    at: float = 0.0
    """When it came, in seconds of ``time.monotonic``."""


class ScriptedServicer(
    scoring_service_pb2_grpc.ScoringServiceServicer,
    ranking_service_pb2_grpc.RankingServiceServicer,
    model_service_pb2_grpc.ModelServiceServicer,
):
    """Answers each call with the next step of ``script``: a response, an Abort or a Hold; without one, plainly.

    The plain answers: no duplicate, no error, predictions whose score counts from 0 in each call, and the candidates as they came.
    """

    def __init__(self) -> None:
        self.script: deque[Any] = deque()
        self.received: list[Received] = []

    def requests(self, method: str) -> list[Any]:
        """Return the requests of one RPC, in the order in which they came."""
        return [call.request for call in self.received if call.method == method]

    def TrackEvent(self, request, context):  # noqa: N802  # the contract's name
        plain = scoring_service_pb2.TrackEventResponse()
        if request.score:
            plain.prediction.CopyFrom(_predictions(1)[0])
        return self._answer("TrackEvent", request, context, plain)

    def TrackEvents(self, request, context):  # noqa: N802  # the contract's name
        results = [scoring_service_pb2.TrackEventResult() for _ in request.events]
        plain = scoring_service_pb2.TrackEventsResponse(results=results)
        return self._answer("TrackEvents", request, context, plain)

    def Score(self, request, context):  # noqa: N802  # the contract's name
        plain = scoring_service_pb2.ScoreResponse(prediction=_predictions(1)[0])
        return self._answer("Score", request, context, plain)

    def ScoreBatch(self, request, context):  # noqa: N802  # the contract's name
        plain = scoring_service_pb2.ScoreBatchResponse(predictions=_predictions(len(request.targets)))
        return self._answer("ScoreBatch", request, context, plain)

    def ScoreVectors(self, request, context):  # noqa: N802  # the contract's name
        plain = scoring_service_pb2.ScoreVectorsResponse(predictions=_predictions(len(request.vectors)))
        return self._answer("ScoreVectors", request, context, plain)

    def GetFeatures(self, request, context):  # noqa: N802  # the contract's name
        features = prediction_pb2.FeatureVector(feature_set="plain", names=["b", "a"], values=[0.1, 2.0])
        plain = scoring_service_pb2.GetFeaturesResponse(features=features, no_session=True)
        return self._answer("GetFeatures", request, context, plain)

    def Rank(self, request, context):  # noqa: N802  # the contract's name
        ranked = [ranking_service_pb2.RankedItem(item_id=item_id) for item_id in request.candidate_ids]
        return self._answer("Rank", request, context, ranking_service_pb2.RankResponse(rank_id="r", items=ranked))

    def NextItems(self, request, context):  # noqa: N802  # the contract's name
        return self._answer("NextItems", request, context, ranking_service_pb2.NextItemsResponse(rank_id="r"))

    def SimilarItems(self, request, context):  # noqa: N802  # the contract's name
        return self._answer("SimilarItems", request, context, ranking_service_pb2.SimilarItemsResponse())

    def UpsertItems(self, request, context):  # noqa: N802  # the contract's name
        results = [ranking_service_pb2.UpsertItemResult() for _ in request.items]
        plain = ranking_service_pb2.UpsertItemsResponse(results=results)
        return self._answer("UpsertItems", request, context, plain)

    def ListItems(self, request, context):  # noqa: N802  # the contract's name
        return self._answer("ListItems", request, context, ranking_service_pb2.ListItemsResponse())

    def ListModels(self, request, context):  # noqa: N802  # the contract's name
        return self._answer("ListModels", request, context, model_service_pb2.ListModelsResponse())

    def GetModel(self, request, context):  # noqa: N802  # the contract's name
        plain = model_service_pb2.GetModelResponse(model=request.model or "plain", version=request.version)
        return self._answer("GetModel", request, context, plain)

    def SetAliases(self, request, context):  # noqa: N802  # the contract's name
        plain = model_service_pb2.SetAliasesResponse(aliases=request.aliases)
        plain.aliases.revision += 1
        return self._answer("SetAliases", request, context, plain)

    def Explain(self, request, context):  # noqa: N802  # the contract's name
        return self._answer("Explain", request, context, model_service_pb2.ExplainResponse())

    def _answer(self, method, request, context, plain):
        metadata = {key: value for key, value in context.invocation_metadata() if isinstance(value, str)}
        self.received.append(
            Received(method, request, context.time_remaining(), metadata, context.peer(), time.monotonic())
        )
        step = self.script.popleft() if self.script else plain
        if isinstance(step, Abort):
            context.set_trailing_metadata(step.trailing_metadata)
            context.abort(step.code, step.details)
        if isinstance(step, Hold):
            context.add_callback(step.ended.set)
            step.reached.set()
            # The bound only keeps a failing test from hanging.
            step.ended.wait(30)
            return plain
        return step


def _predictions(count: int) -> list[prediction_pb2.Prediction]:
    return [prediction_pb2.Prediction(score=score, model="plain", model_version="1") for score in range(count)]


def retry_info(wait_ms: int) -> tuple[str, bytes]:
    """Return the trailing metadata with which a server says when a call may be repeated, made with the real messages."""
    info, detail = error_details_pb2.RetryInfo(), AnyMessage()
    info.retry_delay.FromMilliseconds(wait_ms)
    detail.Pack(info)
    status = status_pb2.Status(code=8, message="slow down", details=[detail])
    return "grpc-status-details-bin", status.SerializeToString()


@contextmanager
def serving(
    servicer: ScriptedServicer,
    *,
    max_receive_bytes: int = 4 * 1024 * 1024,
    address: str = "127.0.0.1:0",
    credentials: grpc.ServerCredentials | None = None,
) -> Iterator[str]:
    """Serve on a free port of this machine, or at the address given; the value is ``host:port``."""
    # Threads, not grpc.aio: its poller wants one event loop per process, and that one is the async client's.
    server = grpc.server(
        ThreadPoolExecutor(max_workers=8),
        options=[("grpc.so_reuseport", 0), ("grpc.max_receive_message_length", max_receive_bytes)],
    )
    scoring_service_pb2_grpc.add_ScoringServiceServicer_to_server(servicer, server)
    ranking_service_pb2_grpc.add_RankingServiceServicer_to_server(servicer, server)
    model_service_pb2_grpc.add_ModelServiceServicer_to_server(servicer, server)
    port = server.add_secure_port(address, credentials) if credentials else server.add_insecure_port(address)
    server.start()
    try:
        yield f"127.0.0.1:{port}"
    finally:
        server.stop(grace=1).wait()


@contextmanager
def nobody_at() -> Iterator[str]:
    """Keep a port of this machine on which nobody listens; the value is ``host:port``."""
    with socket.socket() as bound:
        bound.bind(("127.0.0.1", 0))
        yield f"127.0.0.1:{bound.getsockname()[1]}"
