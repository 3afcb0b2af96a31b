"""Batches of calls through the server's pipeline on a real store, without a transport: a batch is one round trip."""

from __future__ import annotations

from math import inf
from time import monotonic

import msgspec
import pytest

from presage.v1 import scoring_service_pb2
from presage_featurizer import featurize, fold
from presage_featurizer.ranking.items import ItemColumns
from presage_server.call import Call
from presage_server.clock import system_clock
from presage_server.models.loading import load_models
from presage_server.pipeline.intake import Intake
from presage_server.pipeline.overload import OverloadPolicy
from presage_server.pipeline.pipeline import Pipeline
from presage_server.ranking.current_items import FixedItems
from presage_server.ranking.ranker import Ranker
from presage_server.rpc.scoring_service import ScoringService
from presage_server.scoring.scorer import Scorer
from presage_server.settings import shipped_models
from presage_server.store.checking import connect
from presage_server.store.connecting import Connector
from presage_server.store.link import Link
from presage_server.store.redis_store import RedisStore
from presage_server.store.snapshot import Change, Snapshot, read_snapshot
from presage_server.telemetry.metrics import Metrics
from presage_server.tracking.recent import RecentSnapshots
from presage_server.tracking.tracker import Tracker

WAIT_SECONDS = 0.00025
ROUNDS = {"rounds": 1_000, "warmup_rounds": 100}

pytestmark = pytest.mark.benchmark(group="batches, on a store")


class ScoreCall(Call):
    """A call whose reply is kept."""

    __slots__ = ("response",)

    def __init__(self, request):
        super().__init__("/presage.v1.ScoringService/Score", request, monotonic(), inf)

    def send_reply(self, payload):
        self.response = payload

    def send_failure(self, status):
        raise AssertionError(status)


@pytest.fixture(scope="module")
def store(store_url):
    """The store as the server uses it."""
    _, address = connect(store_url)
    link = Link(Connector(address), timeout_seconds=1.0)
    link.open(10.0)
    yield RedisStore(link, clock=system_clock, writer=b"wr", state_ttl_ms=600_000, stream_max_events=1_000)
    link.close()


@pytest.fixture(scope="module")
def pipeline(store):
    metrics, overload = Metrics(), OverloadPolicy()
    scorer = Scorer(metrics)
    models = load_models(shipped_models(), "")
    service = ScoringService(models=models, clock=system_clock, new_id=str, metrics=metrics)
    return Pipeline(
        intake=Intake(service.methods(), (), overload, metrics, 1.0),
        store=store,
        tracker=Tracker(store, metrics, RecentSnapshots(), scorer.count),
        scorer=scorer,
        ranker=Ranker(FixedItems(ItemColumns()), metrics),
        overload=overload,
        metrics=metrics,
        wait_seconds=WAIT_SECONDS,
    )


def wait_for(link, results):
    while not results:
        link.pump(WAIT_SECONDS)
    return results.pop()


def test_store_read(benchmark, store, stored):
    results = []

    def read():
        store.read([stored.user_id], results.append)
        return wait_for(store.link, results)

    (blob,) = benchmark.pedantic(read, **ROUNDS)
    assert read_snapshot(blob).state == stored.state


def test_commit(benchmark, store, visitor):
    """The encoding of the state and of the event are parts of it."""
    user_id = f"committed-{visitor.user_id}"
    event = msgspec.structs.replace(visitor.event, user_id=user_id)
    state = fold(visitor.state, event)
    results = []

    def read():
        store.read([user_id], results.append)
        (blob,) = wait_for(store.link, results)
        return read_snapshot(blob)

    def commit(change):
        store.commit([change], results.append)
        return wait_for(store.link, results)

    def prepare():
        return (Change(user_id, Snapshot(visitor.state, read().revision), state, (event,)),), {}

    outcomes = benchmark.pedantic(commit, setup=prepare, **ROUNDS)
    assert outcomes == [read().revision]
    assert read().state == state


@pytest.mark.parametrize("count", [1, 16, 64])
def test_scores(benchmark, pipeline, stored, model, count):
    """All that Score is but for the transport; the figure is of the whole batch."""
    request = scoring_service_pb2.ScoreRequest(user_id=stored.user_id, as_of_unix_micros=stored.now_unix_micros)
    message = request.SerializeToString()

    def score():
        calls = [ScoreCall(message) for _ in range(count)]
        pipeline.turn(calls)
        while any(call.code is None for call in calls):
            pipeline.turn([])
        return calls

    calls = benchmark.pedantic(score, **ROUNDS)
    vector = featurize(stored.state, stored.now_unix_micros, model.feature_set)
    scores = {scoring_service_pb2.ScoreResponse.FromString(call.response).prediction.score for call in calls}
    assert scores == set(model.predict(vector[None]))
