"""Requests for lists that break the contract: each ends with a status that names the field, and nothing is half done."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from google.rpc import error_details_pb2, status_pb2

from presage.v1 import ranking_service_pb2 as pb
from presage_featurizer.ranking.placements import Placements
from presage_server.models.loading import load_models
from support.pipelines import LocalCall, LocalPipeline, local_pipeline
from support.rankings import a_shop, write_ranking_bundle
from support.stores import opened

PLACEMENTS = Placements.parse("[everywhere]\nmax_per_category = 3\n[home]\nmax_per_brand = 2\n", "placements.toml")
NAN = float("nan")


@pytest.fixture(scope="module")
def ranking_models(tmp_path_factory):
    directory = tmp_path_factory.mktemp("models")
    write_ranking_bundle(directory)
    return load_models(directory)


@pytest.fixture
def server(store, ranking_models) -> Iterator[LocalPipeline]:
    with (
        opened(store) as view,
        local_pipeline(view, ranking_models, items=a_shop().columns, placements=PLACEMENTS) as local,
    ):
        yield local


def rank(**fields: Any) -> pb.RankRequest:
    return pb.RankRequest(**({"user_id": "u"} | fields))


def in_context(**fields: Any) -> pb.RankRequest:
    return rank(context=pb.RankContext(**fields))


def in_filter(**fields: Any) -> pb.RankRequest:
    return in_context(filter=pb.ItemFilter(**fields))


BAD = [
    (rank(user_id=""), "user_id", "expected 1 to 256 bytes, got none"),
    (rank(user_id="u" * 257), "user_id", "expected at most 256 bytes, got 257"),
    (rank(session_id="ü" * 200), "session_id", "expected at most 256 bytes, got 400"),
    (rank(as_of_unix_micros=1_700_000_000), "as_of_unix_micros", "not seconds or milliseconds"),
    (
        rank(candidate_ids=["a", "b", "a"]),
        "candidate_ids[2]",
        r"expected each item once, got that of candidate_ids\[0\]",
    ),
    (rank(candidate_ids=["a", ""]), "candidate_ids[1]", "expected 1 to 256 bytes, got none"),
    (rank(candidate_ids=["a", "ü" * 150]), "candidate_ids[1]", "expected 1 to 256 bytes, got 300"),
    (rank(candidate_ids=map(str, range(1_001))), "candidate_ids", "expected at most 1000, got 1001"),
    (rank(k=-1), "k", "expected 0 to 1000, got -1"),
    (rank(k=1_001), "k", "expected 0 to 1000, got 1001"),
    (rank(candidate_ids=["a", "b"], k=3), "k", "expected at most as many as candidate_ids, 2, got 3"),
    (in_context(placement="hone"), "context.placement", "expected one of 'home'.* got 'hone'; is 'home' meant"),
    (in_context(placement="x" * 300), "context.placement", "expected at most 256 bytes"),
    (in_context(budget=-1), "context.budget", "expected 0 to .*, got -1"),
    (in_context(budget=NAN), "context.budget", "expected 0 to .*, got nan"),
    (in_context(budget=float("inf")), "context.budget", "got inf"),
    (in_context(anchor_item_id="a" * 257), "context.anchor_item_id", "expected 1 to 256 bytes, got 257"),
    (
        in_context(country_code="de"),
        "context.country_code",
        "expected an ISO 3166-1 alpha-2 code in capitals, got 'de'",
    ),
    (in_context(exclude=[0]), "context.exclude[0]", "expected 1 to 4, got 0"),
    (in_context(exclude=[1, 77]), "context.exclude[1]", "expected 1 to 4, got 77"),
    (in_filter(min_price=NAN), "context.filter.min_price", "got nan"),
    (in_filter(max_price=-2), "context.filter.max_price", "got -2"),
    (in_filter(min_price=3, max_price=2), "context.filter.min_price", "expected at most max_price, 2, got 3"),
    (in_filter(categories=["c", ""]), "context.filter.categories[1]", "got none"),
    (in_filter(tags=["t"] * 101), "context.filter.tags", "expected at most 100, got 101"),
    (pb.NextItemsRequest(user_id="u", k=-3), "k", "expected 0 to 1000, got -3"),
    (pb.NextItemsRequest(), "user_id", "got none"),
    (pb.SimilarItemsRequest(), "item_id", "expected 1 to 256 bytes, got none"),
    (pb.SimilarItemsRequest(item_id="i", k=2_000), "k", "expected 0 to 1000"),
    (pb.SimilarItemsRequest(item_id="i", filter=pb.ItemFilter(max_price=NAN)), "filter.max_price", "got nan"),
]


@pytest.mark.parametrize(
    ("request_", "field", "text"), BAD, ids=[f"{number}-{field}" for number, (_, field, _) in enumerate(BAD)]
)
def test_a_request_that_breaks_the_contract_names_the_field(server, store, request_, field, text):
    before = store.everything()
    good = LocalCall(rank(candidate_ids=["a", "b"]))
    bad = LocalCall(request_)
    server.run(bad, good)
    assert bad.outcome == "INVALID_ARGUMENT"
    with pytest.raises(AssertionError, match=text):
        assert bad.response
    assert named_field(bad) == field
    assert len(good.response.items) == 2
    assert store.everything() == before


def named_field(call: LocalCall) -> str:
    assert call.status is not None
    ((_, details),) = call.status.trailing_metadata
    status = status_pb2.Status.FromString(details)
    violations = error_details_pb2.BadRequest()
    assert status.details[0].Unpack(violations)
    return violations.field_violations[0].field


def test_bytes_that_are_no_request_are_rejected(server):
    for method in ("Rank", "NextItems", "SimilarItems"):
        call = LocalCall(b"\xff\xff\xff", method)
        server.run(call)
        assert call.outcome == "INVALID_ARGUMENT"


def test_an_unknown_anchor_and_names_that_no_item_has_are_allowed(server):
    context = pb.RankContext(anchor_item_id="unknown", placement="home", budget=0.0)
    assert server.answer(rank(context=context, candidate_ids=["a", "b"])).items
    assert not server.answer(in_filter(categories=["no such"])).items


def test_an_unknown_model_is_not_found(server):
    for request in (rank(model="another"), pb.SimilarItemsRequest(item_id="i", model="another")):
        call = LocalCall(request)
        server.run(call)
        assert call.outcome == "NOT_FOUND"
        assert "expected one of ['ranking'], got 'another'" in call.status.message


def test_a_server_without_a_ranking_model_says_how_to_get_one(store, models):
    with opened(store) as view, local_pipeline(view, models) as local:
        call = LocalCall(rank())
        local.run(call)
    assert call.outcome == "NOT_FOUND"
    assert "none is served" in call.status.message
    assert "presage train LOG --rank" in call.status.message
