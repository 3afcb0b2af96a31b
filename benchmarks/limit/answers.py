"""Checks that the C++ server scores as Presage does: no figure counts before that."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import grpc

from benchmarks.rig.visitors import simulated_states, user_id
from presage.v1 import prediction_pb2, scoring_service_pb2, scoring_service_pb2_grpc
from presage_featurizer import MICROS, State

__all__ = ["MOST_DIFFERENCE", "compare_scores", "difference", "score_requests"]

MOST_DIFFERENCE = 1e-6
"""Between two scores of one visitor; the features have to be the same to the bit."""

_CALL_SECONDS = 10.0
_KNOWN, _UNKNOWN = 500, 10
_MINUTE_MICROS = 60 * MICROS
_DAY_MICROS = 86_400 * MICROS


def score_requests(states: Sequence[State], now_unix_micros: int) -> Iterator[scoring_service_pb2.ScoreRequest]:
    """Make calls of Score for visitors with these states, at several moments, and for some unknown visitors.

    Args:
        states: Of the first visitors, in order, as the store was filled with them.
        now_unix_micros: When that was.
    """
    requests = [
        (user_id(number), session_id, moment)
        for number, state in enumerate(states)
        for session_id, moment in (
            ("", now_unix_micros),
            ("", state.last_seen_unix_micros + 5 * _MINUTE_MICROS),  # within the last session
            ("", state.last_seen_unix_micros + 31 * _MINUTE_MICROS),  # that session is idle
            ("", state.first_seen_unix_micros - _DAY_MICROS),  # before everything
            ("", now_unix_micros + 100 * _DAY_MICROS),  # buyers have lapsed
            ("never-begun", state.last_seen_unix_micros),
        )
    ]
    requests += [(f"nobody-{number}", "", now_unix_micros) for number in range(_UNKNOWN)]
    for visitor, session_id, moment in requests:
        yield scoring_service_pb2.ScoreRequest(
            user_id=visitor, session_id=session_id, as_of_unix_micros=moment, include_features=True
        )


def difference(theirs: prediction_pb2.Prediction, ours: prediction_pb2.Prediction) -> str:
    """Describe the difference of two predictions; empty if there is none that counts."""
    if list(theirs.features.values) != list(ours.features.values):
        return f"features {list(theirs.features.values)}, Presage has {list(ours.features.values)}"
    if not abs(theirs.score - ours.score) <= MOST_DIFFERENCE:
        return f"score {theirs.score}, Presage has {ours.score}"
    for field in ("model", "model_version", "cold_start", "degraded"):
        if getattr(theirs, field) != getattr(ours, field):
            return f"{field} {getattr(theirs, field)!r}, Presage has {getattr(ours, field)!r}"
    return ""


def compare_scores(server: str, presage: str, now_unix_micros: int) -> int:
    """Send the same calls to both servers, and compare.

    Args:
        server: HOST:PORT of the one to check.
        presage: HOST:PORT of Presage, on the same store or on one that was filled alike.
        now_unix_micros: When ``fill_store`` filled it.

    Returns:
        How many predictions were compared.

    Raises:
        RuntimeError: A prediction differs; the message says how.
    """
    requests = list(score_requests(simulated_states(now_unix_micros)[:_KNOWN], now_unix_micros))
    with grpc.insecure_channel(server) as one, grpc.insecure_channel(presage) as other:
        theirs, ours = (scoring_service_pb2_grpc.ScoringServiceStub(channel) for channel in (one, other))
        for request in requests:
            answers = (stub.Score(request, timeout=_CALL_SECONDS).prediction for stub in (theirs, ours))
            if found := difference(*answers):
                raise RuntimeError(f"{request.user_id} at {request.as_of_unix_micros}: {found}")
    return len(requests)
