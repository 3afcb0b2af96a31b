from __future__ import annotations

import pickle

import grpc
import pytest

from presage_client import (
    AccessDeniedError,
    DeadlineExceededError,
    InternalError,
    InvalidRequestError,
    NotFoundError,
    OverloadedError,
    PresageError,
    RequestCancelledError,
    TrackOutcome,
    UnavailableError,
    UnsupportedError,
)
from presage_client.errors import error_from_number, error_from_status

CLASSES = {
    grpc.StatusCode.CANCELLED: RequestCancelledError,
    grpc.StatusCode.UNKNOWN: InternalError,
    grpc.StatusCode.INVALID_ARGUMENT: InvalidRequestError,
    grpc.StatusCode.DEADLINE_EXCEEDED: DeadlineExceededError,
    grpc.StatusCode.NOT_FOUND: NotFoundError,
    grpc.StatusCode.ALREADY_EXISTS: InvalidRequestError,
    grpc.StatusCode.PERMISSION_DENIED: AccessDeniedError,
    grpc.StatusCode.RESOURCE_EXHAUSTED: OverloadedError,
    grpc.StatusCode.FAILED_PRECONDITION: UnavailableError,
    grpc.StatusCode.ABORTED: UnavailableError,
    grpc.StatusCode.OUT_OF_RANGE: InvalidRequestError,
    grpc.StatusCode.UNIMPLEMENTED: UnsupportedError,
    grpc.StatusCode.INTERNAL: InternalError,
    grpc.StatusCode.UNAVAILABLE: UnavailableError,
    grpc.StatusCode.DATA_LOSS: InternalError,
    grpc.StatusCode.UNAUTHENTICATED: AccessDeniedError,
}


def test_every_status_but_ok_is_an_error():
    assert set(CLASSES) == set(grpc.StatusCode) - {grpc.StatusCode.OK}


@pytest.mark.parametrize("code", CLASSES)
def test_a_status_and_its_number_make_the_same_class(code):
    by_status, by_number = error_from_status(code, "m"), error_from_number(code.value[0], "m")
    assert type(by_status) is type(by_number) is CLASSES[code]
    assert by_status.code is by_number.code is code


def test_a_number_that_gRPC_does_not_know_is_unknown():  # noqa: N802  # gRPC's own spelling
    error = error_from_number(99, "m")
    assert (type(error), error.code) == (InternalError, grpc.StatusCode.UNKNOWN)


@pytest.mark.parametrize(
    ("message", "field"),
    [
        ("user_id: expected 1 to 256 bytes, got 0", "user_id"),
        ("event.items[12].price: expected 0 to 1e9, got nan", "event.items[12].price"),
        ("events[0].type: expected a type", "events[0].type"),
        ("vectors[3].values[0]: expected a finite number: got nan", "vectors[3].values[0]"),
        ("the batch is empty", None),
        ("two words: no field", None),
        ("user_id:", None),
        ("", None),
    ],
)
def test_the_field_stands_before_the_colon(message, field):
    assert error_from_status(grpc.StatusCode.INVALID_ARGUMENT, message).field == field


def test_text_names_the_call_the_reason_and_the_status():
    error = error_from_status(grpc.StatusCode.INTERNAL, "error id 7f", "Score at h:1, timeout 250 ms")
    assert str(error) == "Score at h:1, timeout 250 ms: error id 7f [INTERNAL]"
    assert str(error_from_number(3, "")) == "refused: no reason given [INVALID_ARGUMENT]"


def test_errors_survive_pickling():
    error = error_from_status(grpc.StatusCode.NOT_FOUND, "m", "o")
    error.outcomes = (TrackOutcome(duplicate=True, error=None),)
    copy = pickle.loads(pickle.dumps(error))
    assert (type(copy), copy.code, str(copy), copy.outcomes) == (
        NotFoundError,
        grpc.StatusCode.NOT_FOUND,
        str(error),
        error.outcomes,
    )


def test_outcomes_are_empty_where_nothing_set_them():
    assert PresageError("m", grpc.StatusCode.UNKNOWN).outcomes == ()
