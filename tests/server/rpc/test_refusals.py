"""Requests that break the contract, sent to a real server: a status that fits, the field named, nothing changed."""

from __future__ import annotations

import logging
import random
import time
from collections import Counter

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_featurizer import CONVERSION
from support.metrics import metric
from support.running_server import an_event, serving, track

pytestmark = pytest.mark.usefixtures("each_transport")  # the transports are told apart by nothing here

NAN, INF = float("nan"), float("inf")
LONG = "é" * 129
"""129 characters, but 258 bytes."""


def priced(price: float, quantity: int = 1) -> list[event_pb2.Item]:
    return [event_pb2.Item(item_id="i", price=price, quantity=quantity)]


BAD_EVENTS = [
    ("user_id", {"user_id": ""}),
    ("user_id", {"user_id": LONG}),
    ("event_id", {"event_id": LONG}),
    ("session_id", {"session_id": LONG}),
    ("order_id", {"order_id": LONG}),
    ("type", {"type": event_pb2.EVENT_TYPE_UNSPECIFIED}),
    ("type", {"type": 22}),
    ("type", {"type": -1}),
    ("event_time_unix_micros", {"event_time_unix_micros": -1}),
    ("event_time_unix_micros", {"event_time_unix_micros": 1_700_000_000}),
    ("event_time_unix_micros", {"event_time_unix_micros": 1_700_000_000_000}),
    ("event_time_unix_micros", {"event_time_unix_micros": time.time_ns() // 1_000 + 3_600_000_000}),
    ("country", {"country": "gb"}),
    ("country", {"country": "GBR"}),
    ("country", {"country": "GB\n"}),
    ("country", {"country": "ÀÀ"}),
    ("currency", {"currency": "EU"}),
    ("currency", {"currency": "eur"}),
    ("device", {"device": 5}),
    ("value", {"value": NAN}),
    ("value", {"value": -0.01}),
    ("value", {"value": 1.1e12}),
    ("items[0].item_id", {"items": [event_pb2.Item()]}),
    ("items[1].item_id", {"items": [event_pb2.Item(item_id="i"), event_pb2.Item(item_id=LONG)]}),
    ("items[0].category", {"items": [event_pb2.Item(item_id="i", category=LONG)]}),
    ("items[0].brand", {"items": [event_pb2.Item(item_id="i", brand=LONG)]}),
    ("items[0].price", {"items": priced(NAN)}),
    ("items[0].price", {"items": priced(INF)}),
    ("items[0].price", {"items": priced(-1.0)}),
    ("items[0].price", {"items": priced(1.1e9)}),
    ("items[0].quantity", {"items": priced(1.0, 0)}),
    ("items[0].quantity", {"items": priced(1.0, -1)}),
    ("items[0].quantity", {"items": priced(1.0, 1_000_001)}),
    ("items", {"items": [event_pb2.Item(item_id="i")] * 2_001}),
    ("items", {"items": priced(1e9, 1_001)}),
    ("numbers", {"numbers": {"Margin": 1.0}}),
    ("numbers", {"numbers": {f"name_{number}": 1.0 for number in range(17)}}),
    ('numbers["margin"]', {"numbers": {"margin": NAN}}),
    ('labels["channel"]', {"labels": {"channel": LONG[:65]}}),
]


def violations(error: grpc.aio.AioRpcError) -> list[str]:
    """Return the fields that the error's google.rpc.BadRequest names."""
    packed = dict(error.trailing_metadata()).get("grpc-status-details-bin")
    if packed is None:
        return []
    status = status_pb2.Status.FromString(packed)
    assert (status.code, status.message) == (error.code().value[0], error.details())
    named = []
    for detail in status.details:
        bad_request = error_details_pb2.BadRequest()
        assert detail.Unpack(bad_request)
        for violation in bad_request.field_violations:
            assert violation.description, "expected a word on what is wrong"
            assert f"{violation.field}: {violation.description}" == error.details()
            named.append(violation.field)
    return named


async def refusal(call) -> tuple[str, list[str]]:
    """Await a call that has to fail; answer with its status and the fields named."""
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await call
    return refused.value.code().name, violations(refused.value)


async def test_a_bad_event_is_refused_by_field_and_changes_nothing(store, served):
    await served.stub.TrackEvent(track("u", "before"))
    before = store.everything()
    expected = [("INVALID_ARGUMENT", [f"event.{field}"]) for field, _ in BAD_EVENTS]
    actual = [await refusal(served.stub.TrackEvent(track(**{"user_id": "u"} | fields))) for _, fields in BAD_EVENTS]
    assert expected == actual
    assert before == store.everything()


async def test_a_bad_event_never_fails_its_neighbours(store, served):
    events = []
    for position, (_, fields) in enumerate(BAD_EVENTS):
        events += [an_event(**{"user_id": "u"} | fields), an_event("u", f"good-{position}")]
    response = await served.stub.TrackEvents(scoring_service_pb2.TrackEventsRequest(events=events))
    bad, good = response.results[::2], response.results[1::2]
    assert [result.code for result in good] == [0] * len(good)
    for position, ((field, _), result) in enumerate(zip(BAD_EVENTS, bad, strict=True)):
        assert result.code == grpc.StatusCode.INVALID_ARGUMENT.value[0]
        assert result.message.startswith(f"events[{2 * position}].{field}: expected ")
    assert len(store.stream("u")) == len(good)


async def test_other_bad_requests_name_their_field(store, served):
    stub, pb = served.stub, scoring_service_pb2
    width = len(CONVERSION.features)

    def vectors(*values: list[float], **fields) -> pb.ScoreVectorsRequest:
        rows = [prediction_pb2.FeatureVector(values=one, **fields) for one in values]
        return pb.ScoreVectorsRequest(vectors=rows)

    zeros = [0.0] * width
    crowded = an_event(items=[event_pb2.Item(item_id="i")] * 2_000)
    heavy = an_event(items=[event_pb2.Item(item_id="i" * 250)] * 1_100)
    cases = [
        ("INVALID_ARGUMENT", ["event.type"], stub.TrackEvent(pb.TrackEventRequest())),
        ("INVALID_ARGUMENT", ["user_id"], stub.Score(pb.ScoreRequest())),
        ("INVALID_ARGUMENT", ["user_id"], stub.Score(pb.ScoreRequest(user_id=LONG))),
        ("INVALID_ARGUMENT", ["session_id"], stub.Score(pb.ScoreRequest(user_id="u", session_id=LONG))),
        ("INVALID_ARGUMENT", ["as_of_unix_micros"], stub.Score(pb.ScoreRequest(user_id="u", as_of_unix_micros=-1))),
        *(
            (
                "INVALID_ARGUMENT",
                ["as_of_unix_micros"],
                stub.Score(pb.ScoreRequest(user_id="u", as_of_unix_micros=as_of)),
            )
            for as_of in (1_700_000_000, 1_700_000_000_000, 2**53 + 1)
        ),
        ("INVALID_ARGUMENT", ["user_id"], stub.GetFeatures(pb.GetFeaturesRequest())),
        ("INVALID_ARGUMENT", ["session_id"], stub.GetFeatures(pb.GetFeaturesRequest(user_id="u", session_id=LONG))),
        (
            "INVALID_ARGUMENT",
            ["as_of_unix_micros"],
            stub.GetFeatures(pb.GetFeaturesRequest(user_id="u", as_of_unix_micros=2**63 - 1)),
        ),
        (
            "INVALID_ARGUMENT",
            ["targets[1].user_id"],
            stub.ScoreBatch(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="u"), pb.ScoreTarget()])),
        ),
        (
            "INVALID_ARGUMENT",
            ["targets[0].session_id"],
            stub.ScoreBatch(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="u", session_id=LONG)])),
        ),
        (
            "INVALID_ARGUMENT",
            ["as_of_unix_micros"],
            stub.ScoreBatch(pb.ScoreBatchRequest(as_of_unix_micros=-1)),
        ),
        (
            "INVALID_ARGUMENT",
            ["targets"],
            stub.ScoreBatch(pb.ScoreBatchRequest(targets=[pb.ScoreTarget(user_id="u")] * 1_001)),
        ),
        ("INVALID_ARGUMENT", ["events"], stub.TrackEvents(pb.TrackEventsRequest(events=[an_event()] * 1_001))),
        ("INVALID_ARGUMENT", ["events"], stub.TrackEvents(pb.TrackEventsRequest(events=[crowded] * 6))),
        ("INVALID_ARGUMENT", ["event"], stub.TrackEvent(pb.TrackEventRequest(event=heavy))),
        ("INVALID_ARGUMENT", ["vectors"], stub.ScoreVectors(vectors(*[zeros] * 1_001))),
        ("INVALID_ARGUMENT", ["vectors[1].values"], stub.ScoreVectors(vectors(zeros, zeros[1:]))),
        ("INVALID_ARGUMENT", ["vectors[0].values"], stub.ScoreVectors(vectors([*zeros, 0.0]))),
        ("INVALID_ARGUMENT", ["vectors[1].values[2]"], stub.ScoreVectors(vectors(zeros, [0.0, 0.0, NAN, *zeros[3:]]))),
        ("INVALID_ARGUMENT", ["vectors[0].values[19]"], stub.ScoreVectors(vectors([*zeros[:19], -INF]))),
        ("INVALID_ARGUMENT", ["vectors[0].feature_set"], stub.ScoreVectors(vectors(zeros, feature_set="core"))),
        (
            "INVALID_ARGUMENT",
            ["vectors[0].names"],
            stub.ScoreVectors(vectors(zeros, names=reversed(CONVERSION.features))),
        ),
        ("NOT_FOUND", ["model"], stub.Score(pb.ScoreRequest(user_id="u", model="none"))),
        ("NOT_FOUND", ["model"], stub.ScoreBatch(pb.ScoreBatchRequest(model="none"))),
        ("NOT_FOUND", ["model"], stub.ScoreVectors(pb.ScoreVectorsRequest(model="none"))),
        ("NOT_FOUND", ["feature_set"], stub.GetFeatures(pb.GetFeaturesRequest(user_id="u", feature_set="none"))),
        (
            "NOT_FOUND",
            ["model"],
            stub.TrackEvent(pb.TrackEventRequest(event=an_event(), score=True, model="none")),
        ),
    ]
    assert [(code, fields) for code, fields, _ in cases] == [await refusal(call) for _, _, call in cases]
    assert store.everything() == {}


async def test_not_found_names_the_field_and_what_there_is(served):
    with pytest.raises(grpc.aio.AioRpcError) as refused:
        await served.stub.Score(scoring_service_pb2.ScoreRequest(user_id="u", model="none"))
    assert refused.value.details() == "model: expected one of ['conversion', 'second'], got 'none'"


async def test_a_request_over_the_message_limit_is_refused(store, models):
    async with serving(redis_url=store.url, models=models, max_message_bytes=2_048) as served:
        code, _ = await refusal(served.stub.TrackEvent(track("u" * 2_048)))
        assert code == "RESOURCE_EXHAUSTED"
        assert not (await served.stub.TrackEvent(track("u"))).duplicate


async def test_bytes_that_are_no_request_are_refused_and_counted_without_a_traceback(
    store, models, unused_tcp_port, caplog
):
    """Half of them are random, half are a true request with a few bytes changed."""
    random_bytes = random.Random(1)
    request = track("u", "e", items=priced(2.5), country="GB", value=3.0).SerializeToString()
    methods = sorted(scoring_service_pb2.DESCRIPTOR.services_by_name["ScoringService"].methods_by_name)
    refused, codes, unread = Counter(), set(), set()
    async with serving(redis_url=store.url, models=models, metrics_port=unused_tcp_port) as served:
        calls = {name: served.channel.unary_unary(f"/presage.v1.ScoringService/{name}") for name in methods}
        for round_number in range(300):
            if round_number % 2:
                body = random_bytes.randbytes(random_bytes.randrange(1, 60))
            else:
                changed = bytearray(request)
                for _ in range(random_bytes.randrange(1, 4)):
                    changed[random_bytes.randrange(len(changed))] = random_bytes.randrange(256)
                body = bytes(changed)
            method = random_bytes.choice(methods)
            try:
                await calls[method](body)
            except grpc.aio.AioRpcError as error:
                codes.add(error.code().name)
                refused[method, error.code().name] += 1
                if error.details().startswith(f"expected a presage.v1.{method}Request, got {len(body)} bytes"):
                    unread.add(method)
        assert codes <= {"INVALID_ARGUMENT", "NOT_FOUND"}
        assert refused.total() > 200
        assert sorted(unread) == methods, "expected bytes that cannot be read for each of them"
        for (method, code), count in refused.items():
            labels = f'grpc_code="{code}",grpc_method="{method}"'
            assert count == await metric(unused_tcp_port, f"grpc_server_handled_total{{{labels}}}")
        assert [record for record in caplog.records if record.levelno >= logging.ERROR] == []
        assert not (await served.stub.TrackEvent(track("u", "after"))).duplicate
    assert store.blob("u") is not None
