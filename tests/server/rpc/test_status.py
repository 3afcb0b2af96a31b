"""Errors as gRPC statuses."""

from __future__ import annotations

from base64 import b64encode
from urllib.parse import quote

import grpc
import pytest
from google.rpc import error_details_pb2, status_pb2

from presage_server.errors import InternalError, InvalidRequestError, RpcError, StoreUnavailableError
from presage_server.rpc.status import CODE_NAMES, OK, Status, internal_error, status_of


@pytest.mark.parametrize("error", RpcError.__subclasses__(), ids=lambda error: error.__name__)
def test_an_error_becomes_its_code_and_text(error):
    code, message, trailing_metadata = status_of(error("why"))
    assert (CODE_NAMES[code], message, trailing_metadata) == (error.code.name, "why", ())


def test_a_field_at_fault_is_named_in_the_text_and_in_the_details():
    status = status_of(InvalidRequestError("expected 1 to 256 bytes, got none — ü", field="event.user_id"))
    assert status.message == "event.user_id: expected 1 to 256 bytes, got none — ü"
    ((key, value),) = status.trailing_metadata
    assert key == "grpc-status-details-bin"
    details = status_pb2.Status.FromString(value)
    assert (details.code, details.message) == (status.code, status.message)
    request = error_details_pb2.BadRequest()
    assert details.details[0].Unpack(request)
    (violation,) = request.field_violations
    assert (violation.field, violation.description) == ("event.user_id", "expected 1 to 256 bytes, got none — ü")


def test_the_text_of_an_unexpected_exception_is_logged_and_not_sent(caplog):
    error = internal_error(ValueError("secret"), "/presage.v1.ScoringService/Score")
    assert isinstance(error, InternalError)
    assert "secret" not in str(error)
    assert "secret" in caplog.text
    error_id = str(error).split()[2].rstrip(";")
    assert f"/presage.v1.ScoringService/Score failed, error id {error_id}" in caplog.text
    assert str(internal_error(ValueError(), "x")) != str(error), "expected ids to differ"


def test_the_callers_request_id_is_the_one_that_it_gets_back_and_the_log_has(caplog):
    traceparent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    metadata = (("x-request-id", "order-17/2"), ("traceparent", traceparent))
    error = internal_error(ValueError(), "/presage.v1.ScoringService/Score", metadata)
    assert str(error).startswith("internal error order-17/2; ")
    (record,) = caplog.records
    known = (record.request_id, record.trace_id, record.method)
    assert known == ("order-17/2", "0af7651916cd43dd8448eb211c80319c", "/presage.v1.ScoringService/Score")


@pytest.mark.parametrize("value", ["", "a b", "x" * 129, "line\nfeed", "\x1b[31m", "ü", b"bytes"])
def test_a_request_id_that_nobody_should_read_in_a_log_is_not_taken(value, caplog):
    error = internal_error(ValueError(), "Score", (("x-request-id", value),))
    assert not value or str(value) not in str(error)
    assert len(caplog.records[0].request_id) == 12


def test_codes_are_grpcs():
    assert CODE_NAMES[OK] == "OK"
    assert {CODE_NAMES[code.value[0]] for code in grpc.StatusCode} == {code.name for code in grpc.StatusCode}
    assert Status(*status_of(StoreUnavailableError("down"))).code == grpc.StatusCode.UNAVAILABLE.value[0]


@pytest.mark.parametrize("letter", ["x", "é", "…", "😀"])
def test_a_text_of_any_length_fits_into_what_every_client_takes(letter):
    text = letter * 70_000
    status = status_of(InvalidRequestError(text, field=text))
    ((_, details),) = status.trailing_metadata
    assert len(quote(status.message)) + len(b64encode(details)) < 8 << 10
    assert status.message.startswith(letter)
    assert status.message.endswith("…")
    assert status_of(InvalidRequestError(letter * 200)).message == letter * 200
