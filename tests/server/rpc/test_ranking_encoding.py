"""Ranked lists as bytes: what protobuf reads and writes."""

from __future__ import annotations

import time

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from presage.v1 import ranking_service_pb2 as pb
from presage_export.registry import Arm
from presage_featurizer.ranking.compiled import load_kernels
from presage_server.models.loading import load_models
from presage_server.models.served import Route
from presage_server.ranking.jobs import RankedItems, RankJob, SimilarJob
from presage_server.rpc.ranking_encoding import encode_ranking, encode_similar
from presage_server.telemetry.stages import Stages
from support.numpy_only import numpy_only
from support.pipelines import LocalCall
from support.rankings import write_ranking_bundle

IDS = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=256).filter(
    lambda text: len(text.encode()) <= 256
)
FLOATS = st.floats(allow_nan=False, allow_infinity=False)
NO_WORDS = st.just(())
WORDS = st.lists(st.sampled_from(["bought_before", "popular", "max_per_category", "x" * 130]), max_size=3).map(tuple)
ITEM = st.tuples(IDS, FLOATS, st.integers(1, 12), st.booleans(), FLOATS, st.floats(1e-6, 1.0), WORDS, NO_WORDS | WORDS)


def listed(items, *, features: bool = False) -> RankedItems:
    columns = list(zip(*items, strict=True)) if items else [()] * 8
    ids, scores, sources, cold, prices, propensities, reasons, rules = columns
    rows = np.arange(3 * len(items), dtype=np.float32).reshape(len(items), 3) if features else None
    scores, prices, propensities = (np.array(column, np.float64) for column in (scores, prices, propensities))
    sources, cold = np.array(sources, np.uint8), np.array(cold, np.bool_)
    return RankedItems(ids, scores, sources, cold, prices, reasons, propensities, rules, rows)


def check(response, items) -> None:
    found = [
        (
            *(item.item_id, item.score, item.source, item.cold, item.price, item.propensity),
            *(tuple(item.reasons), tuple(item.rules)),
        )
        for item in response.items
    ]
    assert found == [tuple(item) for item in items]


def models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    write_ranking_bundle(directory)
    return load_models(directory).ranking("")


def test_lists_are_as_protobuf_writes_them(tmp_path_factory):
    model = models(tmp_path_factory)
    assert load_kernels() is not None, "numba is one of the packages for development"

    @given(st.lists(ITEM, max_size=4), st.integers(0, 5), st.booleans(), st.booleans(), st.sampled_from(Arm))
    def compare(items, intent, with_features, cold_start, arm):
        now = time.monotonic()
        route = Route(model, arm, 0.5)
        job = RankJob(LocalCall(pb.RankRequest()), "0f" * 16, "u", "", model, 0, Stages(now), encode_ranking, route)
        job.items = listed(items, features=with_features)
        job.intent, job.epoch, job.cold_start, job.include_timings = intent, 29_333_333, cold_start, True
        encoded = encode_ranking(job)
        response = pb.RankResponse.FromString(encoded)
        assert response.SerializeToString() == encoded
        check(response, items)
        assert (response.rank_id, response.intent) == ("0f" * 16, intent)
        assert response.basis == pb.RankingBasis(
            model="ranking", model_version="1", epoch=29_333_333, cold_start=cold_start, no_session=True, arm=arm
        )
        assert response.HasField("timings")
        for place, item in enumerate(response.items):
            assert list(item.features.values) == ([3 * place, 3 * place + 1, 3 * place + 2] if with_features else [])
        with numpy_only():
            assert pb.RankResponse.FromString(encode_ranking(job)).items == response.items
        job.include_timings = False
        following = pb.NextItemsResponse.FromString(encode_ranking(job))
        assert list(following.items) == list(response.items)
        assert following.basis == response.basis

    compare()


def test_similar_items_are_as_protobuf_writes_them(tmp_path_factory):
    model = models(tmp_path_factory)

    @given(st.lists(ITEM, max_size=4), st.booleans())
    def compare(items, cold):
        job = SimilarJob(LocalCall(pb.SimilarItemsRequest()), "i", model, 5, print, cold=cold, items=listed(items))
        encoded = encode_similar(job)
        response = pb.SimilarItemsResponse.FromString(encoded)
        assert response.SerializeToString() == encoded
        assert response.cold == cold
        check(response, items)

    compare()
