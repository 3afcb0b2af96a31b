"""What was sent, and what was answered."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum

import grpc
import msgspec

__all__ = ["Event", "Kind", "Score", "judge", "outcomes"]

_REJECTIONS = {
    grpc.StatusCode.UNAVAILABLE,
    grpc.StatusCode.RESOURCE_EXHAUSTED,
    grpc.StatusCode.FAILED_PRECONDITION,
    grpc.StatusCode.ABORTED,
}
_UNANSWERED = (
    "failed to connect",
    "Socket closed",
    "recvmsg",
    "Connection re",
    "GOAWAY",
    "sendmsg",
    "Broken pipe",
    "Stream removed",
)
"""How the texts of an UNAVAILABLE begin, or what they hold, that the server has not sent."""


class Kind(StrEnum):
    """What was returned."""

    OK = "ok"
    DEGRADED = "degraded"
    """A score that says that it lacks the visitor's history."""
    REJECTED = "rejected"
    """The server says that it did nothing, or that sending again is safe."""
    FAILED = "failed"
    """No answer in time, or none at all."""


class _Call(msgspec.Struct, kw_only=True):
    """One call; times are of ``time.monotonic``."""

    user: int
    sent: float
    ended: float
    kind: Kind
    detail: str
    """Status and text, unless it is ok."""


class Event(_Call, kw_only=True):
    """One that was sent, and what was answered when it was sent first."""

    id: str
    acknowledged: float = 0.0
    """When it was, first; 0.0: never."""


class Score(_Call, kw_only=True):
    """One that was asked for."""

    seen: int
    """How many events the score has seen."""


def judge(error: grpc.aio.AioRpcError) -> tuple[Kind, str]:
    """Return what an error amounts to, and its status and text."""
    code, text = error.code(), error.details() or ""
    is_answered = code in _REJECTIONS and not any(part in text for part in _UNANSWERED)
    return Kind.REJECTED if is_answered else Kind.FAILED, f"{code.name}: {text}"


def outcomes(calls: Sequence[_Call]) -> dict[Kind, int]:
    """Count calls by what was returned."""
    counts = dict.fromkeys(Kind, 0)
    for call in calls:
        counts[call.kind] += 1
    return counts
