"""What ``explain`` sends, and how it reads the answer: for both clients."""

from __future__ import annotations

from datetime import datetime

from presage.v1 import model_service_pb2
from presage_client._calls import Call
from presage_client._checks import to_unix_micros
from presage_client._convert import build
from presage_client.explaining import Contribution, Explanation

__all__ = ["explain"]


def explain(
    user_id: str, *, session_id: str, model: str, version: str, as_of_unix_micros: int | datetime
) -> Call[Explanation]:
    """Make the call that explains a visitor's score."""
    request = build(
        model_service_pb2.ExplainRequest,
        user_id=user_id,
        session_id=session_id,
        model=model,
        version=version,
        as_of_unix_micros=to_unix_micros("as_of_unix_micros", as_of_unix_micros),
    )
    return Call("Explain", request, _read_explanation)


def _read_explanation(response: model_service_pb2.ExplainResponse) -> Explanation:
    return Explanation(
        score=response.score,
        model=response.model,
        model_version=response.model_version,
        margin=response.margin,
        base_margin=response.base_margin,
        contributions=tuple(
            Contribution(
                feature=message.feature,
                value=message.value,
                contribution=message.contribution,
                reason=message.reason,
            )
            for message in response.contributions
        ),
        method=response.method,
        cold_start=response.cold_start,
    )
