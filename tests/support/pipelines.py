"""A server without a transport: calls go into its pipeline, and tests read their replies."""

from __future__ import annotations

import itertools
import random
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from google.protobuf.message import Message

from presage.v1 import event_pb2
from presage.v1 import ranking_service_pb2 as ranking_pb
from presage.v1 import scoring_service_pb2 as pb
from presage_featurizer import NO_AGGREGATES, Aggregates
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.placements import Placements
from presage_server.call import Call
from presage_server.clock import Clock, system_clock
from presage_server.models.guarding import Guard, Rollback
from presage_server.models.loading import load_models
from presage_server.models.served import Models
from presage_server.pipeline.after_replies import AfterReplies
from presage_server.pipeline.intake import Intake
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.pipeline.pipeline import Pipeline
from presage_server.ranking.current_items import FixedItems
from presage_server.ranking.exposures import ExposureLog
from presage_server.ranking.pairing import ListPairs
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.ranking_service import SERVICE_NAME as RANKING_NAME
from presage_server.rpc.ranking_service import RankingService
from presage_server.rpc.registry import Interceptor
from presage_server.rpc.scoring_service import SERVICE_NAME, ScoringService
from presage_server.rpc.status import CODE_NAMES, Status
from presage_server.scoring.pairing import Pairs
from presage_server.scoring.sampler import Sampler
from presage_server.scoring.scorer import Scorer
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.recent import RecentSnapshots
from presage_server.tracking.tracker import Tracker
from support.stores import GENEROUS_SECONDS, View

_RESPONSES: dict[str, type[Message]] = {
    name: getattr(contract, f"{name}Response")
    for contract, names in (
        (pb, ("Score", "ScoreBatch", "ScoreVectors", "GetFeatures", "TrackEvent", "TrackEvents")),
        (ranking_pb, ("Rank", "NextItems", "SimilarItems")),
    )
    for name in names
}
_NUMBERS = itertools.count()


class LocalCall(Call):
    """A call that keeps its reply."""

    __slots__ = ("number", "payload", "replied_at", "status")

    def __init__(
        self,
        request: Message | bytes,
        method: str = "",
        *,
        seconds: float = GENEROUS_SECONDS,
        peer: str = "one",
        metadata: Sequence[tuple[str, str | bytes]] = (),
    ) -> None:
        name = method or type(request).__name__.removesuffix("Request")
        data = request if isinstance(request, bytes) else request.SerializeToString()
        now = time.monotonic()
        service = RANKING_NAME if hasattr(ranking_pb, f"{name}Request") else SERVICE_NAME
        super().__init__(f"/{service}/{name}", data, now, now + seconds, metadata, peer)
        self.number = next(_NUMBERS)
        self.payload = b""
        self.status: Status | None = None
        self.replied_at = 0

    @property
    def response(self) -> Any:
        """The response; fails if the call did."""
        assert self.code is not None, "the call has not ended"
        assert self.status is None, f"the call failed: {self.status}"
        return _RESPONSES[self.method.rpartition("/")[2]].FromString(self.payload)

    @property
    def outcome(self) -> str:
        """The name of the status that the call ended with; empty while it is in flight."""
        return "" if self.code is None else CODE_NAMES[self.code]

    def send_reply(self, payload: bytes) -> None:
        """Keep the response."""
        self.payload = payload
        self.replied_at = next(_NUMBERS)

    def send_failure(self, status: Status) -> None:
        """Keep the status."""
        self.status = status
        self.replied_at = next(_NUMBERS)


class LocalPipeline:
    """A pipeline and what it consists of. Use ``local_pipeline``, which makes it."""

    def __init__(
        self,
        view: View,
        models: Models,
        *,
        interceptors: Sequence[Interceptor] = (),
        recent: RecentSnapshots | None = None,
        overload: OverloadPolicy | None = None,
        share: float = 0.0,
        timeout_seconds: float = GENEROUS_SECONDS,
        wait_seconds: float = 0.00025,
        clock: Clock = system_clock,
        aggregates: Aggregates = NO_AGGREGATES,
        items: ItemColumns | None = None,
        placements: Placements | None = None,
        exposures_share: float = 0.0,
    ) -> None:
        self.view = view
        self.link = view.link
        self.models = models
        self.metrics = Metrics()
        self.recent = recent or RecentSnapshots()
        self.overload = overload or OverloadPolicy()
        service = ScoringService(
            models=models, clock=clock, new_id=lambda: f"made-{next(_NUMBERS)}", metrics=self.metrics
        )
        sampler = Sampler(share=share, random=random.random, writer=view.store, metrics=self.metrics)
        self.pairs = Pairs(sampler, self.metrics, random.random)
        self.scorer = Scorer(self.metrics, sampler, self.pairs)
        self.rollbacks: list[Rollback] = []
        """What the guard has decided."""
        self.guard = Guard(models, self.metrics.versions, self.rollbacks.append)
        self.tracker = Tracker(
            view.store,
            self.metrics,
            self.recent,
            self.scorer.count,
            clock,
            aggregates=aggregates,
            log_scores=self.scorer.log,
        )
        ranking = RankingService(
            models=models,
            placements=placements or Placements.default(),
            clock=clock,
            new_rank_id=lambda: f"{next(_NUMBERS):032x}",
        )
        exposures = ExposureLog(
            share=exposures_share,
            features_share=share,
            random=random.random,
            writer=view.store,
            metrics=self.metrics,
        )
        self.lists = ListPairs(exposures, self.metrics, random.random)
        self.items = FixedItems(items or ItemColumns())
        """Where the items are; tests may put other columns there."""
        self.ranker = Ranker(self.items, self.metrics, exposures, self.lists)
        self.intake = Intake(
            [*service.methods(), *ranking.methods()], interceptors, self.overload, self.metrics, timeout_seconds
        )
        self.pipeline = Pipeline(
            intake=self.intake,
            store=view.store,
            tracker=self.tracker,
            scorer=self.scorer,
            ranker=self.ranker,
            overload=self.overload,
            metrics=self.metrics,
            wait_seconds=wait_seconds,
            after_replies=AfterReplies(self.pairs, self.guard, self.lists),
        )

    def turn(self, *calls: Call) -> float:
        """Deliver calls and have one turn."""
        return self.pipeline.turn(list(calls))

    def settle(self) -> None:
        """Have turns until nothing is left to be scored with other versions, or to be logged."""
        deadline = time.monotonic() + GENEROUS_SECONDS
        while self.pairs.pending or self.lists.pending or self.link.pending:
            assert time.monotonic() < deadline, "waited in vain"
            self.turn()

    def finish(self, *calls: Call) -> None:
        """Have turns until calls have ended."""
        deadline = time.monotonic() + GENEROUS_SECONDS
        while any(call.code is None for call in calls):
            assert time.monotonic() < deadline, "waited in vain"
            self.turn()

    def run(self, *calls: LocalCall) -> None:
        """Deliver calls together, and have turns until they have ended."""
        self.turn(*calls)
        self.finish(*calls)

    def answer(self, request: Message, **described: Any) -> Any:
        """Make one call and return its response."""
        call = LocalCall(request, **described)
        self.run(call)
        return call.response

    def counted(self, series: str, **labels: str) -> float:
        """Return a metric."""
        value = self.metrics.registry.get_sample_value(series, labels)
        assert value is not None
        return value


@contextmanager
def local_pipeline(view: View, models: Path | Models, **options: Any) -> Iterator[LocalPipeline]:
    """Make a server without a transport; nothing may be in flight when it ends."""
    local = LocalPipeline(view, models if isinstance(models, Models) else load_models(models), **options)
    yield local
    assert not local.pipeline._reading
    assert not local.intake.waiting
    assert not local.intake.heavy_waiting
    assert not local.tracker._in_flight
    assert not local.ranker.pending


def an_event(user_id: str = "visitor", event_id: str = "", **fields: Any) -> event_pb2.Event:
    """Make a PAGE_VIEW, or what ``fields`` say."""
    return event_pb2.Event(
        **({"user_id": user_id, "event_id": event_id, "type": event_pb2.EVENT_TYPE_PAGE_VIEW} | fields)
    )


def track(user_id: str = "visitor", event_id: str = "", **fields: Any) -> pb.TrackEventRequest:
    """Make a request that tracks ``an_event``."""
    return pb.TrackEventRequest(event=an_event(user_id, event_id, **fields))
