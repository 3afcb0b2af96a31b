"""Whole calls over gRPC to ``presage serve``, one at a time; and an empty one, which shows what gRPC itself takes."""

from __future__ import annotations

from functools import partial
from statistics import median
from time import perf_counter

import pytest
import redis

from benchmarks.adding_up import EMPTY, WHOLE
from presage.v1 import scoring_service_pb2
from presage_client._convert import event_to_proto
from presage_featurizer import featurize, fold
from presage_server.store.keys import state_key
from presage_training.traffic.sending import client_event

ROUNDS = {"rounds": 2_000, "warmup_rounds": 300}
TIMED_CALLS = 1_000
SERVER_TIMINGS = ("decode", "store", "featurize", "model")

pytestmark = pytest.mark.benchmark(group="calls over gRPC")


def test_empty_call(benchmark, server):
    assert not benchmark.pedantic(server.empty, **ROUNDS).predictions


def test_score(benchmark, server, stored, model):
    request = scoring_service_pb2.ScoreRequest(user_id=stored.user_id, as_of_unix_micros=stored.now_unix_micros)
    answer = benchmark.pedantic(server.stub.Score, (request,), {"timeout": 1.0}, **ROUNDS)

    vector = featurize(stored.state, stored.now_unix_micros, model.feature_set)
    assert [answer.prediction.score] == model.predict(vector[None])
    if benchmark.enabled:
        request.include_timings = True
        timed_call = partial(server.stub.Score, request, timeout=1.0)
        benchmark.extra_info |= timed_inside("test_score", stored, timed_call, server.empty)


def test_track_and_score(benchmark, server, stored, store_url, model):
    """The same event every time: the visitor's state is put back before each."""
    request = scoring_service_pb2.TrackEventRequest(event=event_to_proto(client_event(stored.event)), score=True)
    with redis.Redis.from_url(store_url) as store:
        key = state_key(stored.user_id)
        before = store.get(key)

        def put_back():
            store.set(key, before)

        answer = benchmark.pedantic(server.stub.TrackEvent, (request,), {"timeout": 1.0}, setup=put_back, **ROUNDS)

        assert not answer.duplicate
        vector = featurize(fold(stored.state, stored.event), stored.now_unix_micros, model.feature_set)
        assert [answer.prediction.score] == model.predict(vector[None])
        if benchmark.enabled:
            request.include_timings = True
            timed_call = partial(server.stub.TrackEvent, request, timeout=1.0)
            benchmark.extra_info |= timed_inside("test_track_and_score", stored, timed_call, server.empty, put_back)


def timed_inside(name, visitor, call, empty, set_up=lambda: None):
    """Take a call apart: medians in microseconds, by the names that the closing table knows.

    Empty calls take turns with the whole ones, so that what else the machine does meets both alike.
    """
    seconds = {EMPTY: [], WHOLE: []}
    timings = []
    for _ in range(TIMED_CALLS):
        set_up()
        start = perf_counter()
        empty()
        turn = perf_counter()
        timings.append(call().prediction.timings)
        seconds[WHOLE].append(perf_counter() - turn)
        seconds[EMPTY].append(turn - start)
    micros = {key: 1e6 * median(values) for key, values in seconds.items()}
    micros |= {key: median(getattr(timing, f"{key}_micros") for timing in timings) for key in SERVER_TIMINGS}
    return {f"{name}.{key}[{visitor.name}]": value for key, value in micros.items()}
