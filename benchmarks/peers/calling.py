"""One call to a peer: for seeing that it is there, and that its answers are right."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from http.client import HTTPConnection, HTTPException

import grpc
import numpy as np
from google.protobuf.message import DecodeError

from benchmarks.peers.dataset import Sample
from benchmarks.peers.peer import Case, Protocol

__all__ = ["CallError", "WrongAnswerError", "call", "check"]

_SECONDS = 5.0
_SHOWN_BYTES = 300
_TOLERANCE = 1e-5
"""Scores are probabilities; peers compute in single or double precision."""


class CallError(OSError):
    """A call got no answer, or was answered with an error."""


class WrongAnswerError(ValueError):
    """An answer is not what the reference says."""


def call(case: Case, port: int, sample: Sample) -> list[float]:
    """Make one call.

    Returns:
        The scores or features of the answer.

    Raises:
        CallError: There is no answer, or an error.
        WrongAnswerError: The answer is not of the form that it should be.
    """
    body = case.encode(sample)
    answer = _grpc(case, port, body) if case.protocol is Protocol.GRPC else _http1(case, port, body)
    try:
        return list(case.decode(answer))
    except (DecodeError, LookupError, TypeError, ValueError) as error:
        raise WrongAnswerError(f"{case.path}: cannot be read: {error!r}: {answer[:_SHOWN_BYTES]!r}") from error


def check(case: Case, port: int, samples: Iterable[Sample]) -> None:
    """Compare answers with the reference.

    Raises:
        CallError: A call failed.
        WrongAnswerError: An answer differs.
    """
    for sample in samples:
        expected = (case.expected or case.task.expected)(sample)
        actual = np.array(call(case, port, sample))
        if actual.shape != expected.shape:
            raise WrongAnswerError(f"{case.path}: expected {expected.size} numbers, got {actual.size}")
        if not np.allclose(actual, expected, rtol=_TOLERANCE, atol=_TOLERANCE):
            place = int(np.abs(actual - expected).argmax())
            raise WrongAnswerError(
                f"{case.path}: {sample.user_ids[0]!r}: expected {expected[place]!r} at {place}, got {actual[place]!r}"
            )


def _grpc(case: Case, port: int, body: bytes) -> bytes:
    with grpc.insecure_channel(f"127.0.0.1:{port}") as channel:
        method: Callable[..., bytes] = channel.unary_unary(case.path)
        try:
            return method(body, timeout=_SECONDS)
        except grpc.RpcError as error:
            raise CallError(str(error)) from error


def _http1(case: Case, port: int, body: bytes) -> bytes:
    connection = HTTPConnection("127.0.0.1", port, timeout=_SECONDS)
    try:
        connection.request("POST", case.path, body, {"content-type": "application/json"})
        response = connection.getresponse()
        answer = response.read()
    except (OSError, HTTPException) as error:
        raise CallError(str(error)) from error
    finally:
        connection.close()
    if response.status != 200:
        raise CallError(f"HTTP {response.status}: {answer[:_SHOWN_BYTES].decode(errors='replace')}")
    return answer
