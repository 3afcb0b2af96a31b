"""What ``explain`` sends, and how both clients read the answer."""

from __future__ import annotations

from datetime import UTC, datetime

import grpc
import pytest

from presage.v1 import model_service_pb2
from presage_client import Contribution, Explanation, UnavailableError
from support.scripted_servicer import Abort

ANSWER = model_service_pb2.ExplainResponse(
    score=0.25,
    model="conversion",
    model_version="3",
    margin=-1.1,
    base_margin=-1.5,
    contributions=[
        model_service_pb2.Contribution(
            feature="frequency", value=0.0, contribution=0.0, reason="0 orders so far, +0.00"
        ),
        model_service_pb2.Contribution(feature="page_views", value=2.0, contribution=-0.1, reason="2 pages, -0.10"),
        model_service_pb2.Contribution(feature="cart", value=3.0, contribution=0.5, reason="3 units, +0.50"),
    ],
    method="tree_shap",
    cold_start=True,
)


async def test_explain_sends_every_field_and_reads_the_answer(client, servicer):
    servicer.script.append(ANSWER)

    explained = await client.explain(
        "u-1",
        session_id="s-1",
        model="m",
        version="2",
        as_of_unix_micros=datetime(2023, 11, 14, 22, 13, 20, tzinfo=UTC),
    )

    assert servicer.requests("Explain") == [
        model_service_pb2.ExplainRequest(
            user_id="u-1", session_id="s-1", model="m", version="2", as_of_unix_micros=1_700_000_000_000_000
        )
    ]
    contributions = (
        Contribution(feature="frequency", value=0.0, contribution=0.0, reason="0 orders so far, +0.00"),
        Contribution(feature="page_views", value=2.0, contribution=-0.1, reason="2 pages, -0.10"),
        Contribution(feature="cart", value=3.0, contribution=0.5, reason="3 units, +0.50"),
    )
    assert explained == Explanation(
        score=0.25,
        model="conversion",
        model_version="3",
        margin=-1.1,
        base_margin=-1.5,
        contributions=contributions,
        method="tree_shap",
        cold_start=True,
    )
    assert explained.top() == (contributions[2], contributions[1])
    assert explained.top(1) == (contributions[2],)


async def test_a_model_that_cannot_be_explained_is_an_error_with_its_reason(client, servicer):
    servicer.script.append(Abort(grpc.StatusCode.FAILED_PRECONDITION, "train or export the model again"))

    with pytest.raises(UnavailableError, match="train or export the model again") as error:
        await client.explain("u-1")

    assert error.value.code is grpc.StatusCode.FAILED_PRECONDITION
