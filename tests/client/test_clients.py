"""What both clients send and how they read the answers: each test runs with both."""

from __future__ import annotations

import inspect
from dataclasses import replace

import grpc
import numpy as np
import pytest

from presage.v1 import event_pb2, prediction_pb2, scoring_service_pb2
from presage_client import (
    Arm,
    AsyncClient,
    Client,
    Device,
    Event,
    EventType,
    InvalidRequestError,
    Item,
    Prediction,
    ScoreTarget,
    Timings,
    TrackOutcome,
    TrackResult,
    UnavailableError,
)
from support.scripted_servicer import Abort, serving


async def test_track_sends_every_field_and_reads_the_answer(client, servicer):
    event = Event(
        event_id="e-1",
        type=EventType.PURCHASE,
        user_id="u-1",
        session_id="s-1",
        event_time_unix_micros=1_700_000_000_000_000,
        items=[Item(item_id="i-1", category="shoes", brand="b", price=9.5, quantity=0), Item(item_id="i-2")],
        country="NL",
        device=Device.MOBILE,
        order_id="o-1",
        value=0.0,
        currency="EUR",
    )
    servicer.script.append(
        scoring_service_pb2.TrackEventResponse(
            duplicate=True,
            prediction=prediction_pb2.Prediction(score=0.25, model="m", model_version="2", cold_start=True),
        )
    )

    result = await client.track(event, score=True, model="m", include_features=True, include_timings=True)

    assert servicer.requests("TrackEvent") == [
        scoring_service_pb2.TrackEventRequest(
            event=event_pb2.Event(
                event_id="e-1",
                type=event_pb2.EVENT_TYPE_PURCHASE,
                user_id="u-1",
                session_id="s-1",
                event_time_unix_micros=1_700_000_000_000_000,
                items=[
                    event_pb2.Item(item_id="i-1", category="shoes", brand="b", price=9.5, quantity=0),
                    event_pb2.Item(item_id="i-2", quantity=1),
                ],
                country="NL",
                device=event_pb2.DEVICE_MOBILE,
                order_id="o-1",
                value=0.0,
                currency="EUR",
            ),
            score=True,
            model="m",
            include_features=True,
            include_timings=True,
        )
    ]
    assert result == TrackResult(
        duplicate=True,
        prediction=Prediction(
            score=0.25,
            model="m",
            model_version="2",
            cold_start=True,
            degraded=False,
            no_session=False,
            features=None,
            timings=None,
        ),
    )


async def test_track_without_a_score_has_no_prediction(client):
    event = Event(type=EventType.PAGE_VIEW, user_id="u-1")
    assert await client.track(event) == TrackResult(duplicate=False, prediction=None)


async def test_score_sends_every_argument_and_reads_every_field(client, servicer):
    timings = {
        "decode_micros": 1.0,
        "queue_micros": 5.0,
        "store_micros": 2.0,
        "featurize_micros": 3.0,
        "model_micros": 4.0,
        "total_micros": 15.0,
    }
    servicer.script.append(
        scoring_service_pb2.ScoreResponse(
            prediction=prediction_pb2.Prediction(
                score=0.75,
                model="m",
                model_version="2",
                degraded=True,
                no_session=True,
                arm=prediction_pb2.ARM_HOLDOUT,
                prior=True,
                features=prediction_pb2.FeatureVector(feature_set="s", names=["z", "a"], values=[0.1, 3.0]),
                timings=prediction_pb2.Timings(**timings),
            )
        )
    )

    prediction = await client.score(
        "u-1", session_id="s-1", model="m", as_of_unix_micros=5, include_features=True, include_timings=True
    )

    assert servicer.requests("Score") == [
        scoring_service_pb2.ScoreRequest(
            user_id="u-1",
            session_id="s-1",
            model="m",
            as_of_unix_micros=5,
            include_features=True,
            include_timings=True,
        )
    ]
    assert prediction == Prediction(
        score=0.75,
        model="m",
        model_version="2",
        cold_start=False,
        degraded=True,
        no_session=True,
        features={"z": float(np.float32(0.1)), "a": 3.0},
        timings=Timings(**timings),
        arm=Arm.HOLDOUT,
        prior=True,
    )
    assert list(prediction.features) == ["z", "a"]


async def test_features_come_by_name_in_their_order(client, servicer):
    features = await client.features("u-1", session_id="s-1", feature_set="f", as_of_unix_micros=5)

    assert list(features.items()) == [("b", float(np.float32(0.1))), ("a", 2.0)]
    assert (features.cold_start, features.no_session) == (False, True)
    assert servicer.requests("GetFeatures") == [
        scoring_service_pb2.GetFeaturesRequest(user_id="u-1", session_id="s-1", feature_set="f", as_of_unix_micros=5)
    ]


async def test_score_batch_of_any_size_keeps_the_order(client, servicer):
    targets = [ScoreTarget(user_id="u-0", session_id="s-0"), *(f"u-{n}" for n in range(1, 2_001))]

    predictions = await client.score_batch(targets, model="m", as_of_unix_micros=5, include_features=True)

    requests = servicer.requests("ScoreBatch")
    assert [len(request.targets) for request in requests] == [1_000, 1_000, 1]
    assert [asked.user_id for request in requests for asked in request.targets] == [f"u-{n}" for n in range(2_001)]
    assert [asked.session_id for asked in requests[0].targets[:2]] == ["s-0", ""]
    assert {(r.model, r.as_of_unix_micros, r.include_features) for r in requests} == {("m", 5, True)}
    assert [prediction.score for prediction in predictions] == [*range(1_000), *range(1_000), 0]


async def test_score_vectors_of_any_number_keeps_the_order(client, servicer):
    rows = np.arange(2_002, dtype=np.float32).reshape(1_001, 2)

    predictions = await client.score_vectors(rows, model="m")

    requests = servicer.requests("ScoreVectors")
    assert [(request.model, len(request.vectors)) for request in requests] == [("m", 1_000), ("m", 1)]
    assert [list(vector.values) for request in requests for vector in request.vectors] == rows.tolist()
    assert [prediction.score for prediction in predictions] == [*range(1_000), 0]


@pytest.mark.parametrize("method", ["track_many", "score_batch", "score_vectors"])
async def test_nothing_asked_is_nothing_sent(client, servicer, method):
    assert await getattr(client, method)([]) == []
    assert servicer.received == []


async def test_a_string_is_not_a_batch_of_visitors(client, servicer):
    with pytest.raises(TypeError, match="targets: expected several visitors, got the string 'u-1'"):
        await client.score_batch("u-1")
    assert servicer.received == []


async def test_track_many_answers_for_each_event(client, servicer):
    servicer.script.append(
        scoring_service_pb2.TrackEventsResponse(
            results=[
                {"duplicate": True},
                {"code": 3, "message": "events[1].user_id: expected 1 to 256 bytes, got 0"},
                {},
            ]
        )
    )

    outcomes = await client.track_many(Event(type=EventType.LOGIN, user_id=user) for user in ["a", "", "b"])

    assert [outcome.duplicate for outcome in outcomes] == [True, False, False]
    assert [outcome.error is None for outcome in outcomes] == [True, False, True]
    refusal = outcomes[1].error
    assert isinstance(refusal, InvalidRequestError)
    assert (refusal.code, refusal.field) == (grpc.StatusCode.INVALID_ARGUMENT, "events[1].user_id")


async def test_track_many_keeps_the_order_over_calls_and_stops_at_one_that_fails(client, servicer):
    events = [Event(type=EventType.PAGE_VIEW, user_id=f"u-{n}") for n in range(1_600)]
    plain = scoring_service_pb2.TrackEventsResponse(
        results=[scoring_service_pb2.TrackEventResult() for _ in range(500)]
    )
    servicer.script.extend([plain, plain, Abort(grpc.StatusCode.FAILED_PRECONDITION, "full")])

    with pytest.raises(UnavailableError, match="full") as caught:
        await client.track_many(events)

    assert caught.value.outcomes == (TrackOutcome(duplicate=False, error=None),) * 1_000
    sent = servicer.requests("TrackEvents")
    assert [event.event_id for request in sent for event in request.events] == [e.event_id for e in events[:1_500]]

    # What the docstring says to do next.
    rest = await client.track_many(events[len(caught.value.outcomes) :])
    assert len(rest) == 600


async def test_credentials_make_a_secured_connection(client_class, servicer, options):
    # Credentials that gRPC takes between two ends of one machine: the same code path as TLS, without certificates.
    kind = grpc.LocalConnectionType.LOCAL_TCP
    with serving(servicer, credentials=grpc.local_server_credentials(kind)) as target:
        client = client_class(target, options=replace(options, credentials=grpc.local_channel_credentials(kind)))
        assert (await client.score("u-1")).model == "plain"
        await client.close()


def test_the_two_clients_have_the_same_methods():
    def methods(cls):
        # The dunders for `with` and `async with` differ by nature.
        public = {name: value for name, value in inspect.getmembers(cls, inspect.isfunction) if name[0] != "_"}
        return {name: inspect.signature(value) for name, value in public.items()}

    assert methods(AsyncClient) == methods(Client)
    assert inspect.signature(AsyncClient) == inspect.signature(Client)
