"""gRPC statuses: what an error looks like to a caller."""

from __future__ import annotations

import logging
from collections.abc import Sequence
from typing import NamedTuple
from uuid import uuid4

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.rpc import error_details_pb2, status_pb2

from presage_server.errors import InternalError, RpcError
from presage_server.rpc.request_ids import request_id_of, trace_of
from presage_server.telemetry.seldom import Seldom

__all__ = ["CODE_NAMES", "OK", "Status", "internal_error", "status_of"]

_logger = logging.getLogger(__name__)

_tracebacks = Seldom()

OK = 0

_MAX_TEXT_BYTES = 900
"""Of one text of a status. As metadata, it takes up to three times as much, and all of a status has to fit into 8 KiB."""
_SHORT_CHARACTERS = _MAX_TEXT_BYTES // 4
"""A text of so many is not too long, whatever they are."""

CODE_NAMES: dict[int, str] = {code.value[0]: code.name for code in grpc.StatusCode}
"""The names of gRPC's status codes."""


class Status(NamedTuple):
    """A gRPC status other than OK, as it is sent."""

    code: int
    message: str
    trailing_metadata: Sequence[tuple[str, str | bytes]] = ()


def status_of(error: RpcError) -> Status:
    """Return the status of an error; an invalid field is named in ``google.rpc.BadRequest`` details.

    Texts are cut to a size that every client takes: they are sent as metadata, and one that is too long may end the connection.
    """
    code, message = error.code.value[0], _cut(str(error))
    if not error.field:
        return Status(code, message)
    violation = error_details_pb2.BadRequest.FieldViolation(
        field=_cut(error.field), description=_cut(error.description)
    )
    detail = AnyMessage()
    detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
    status = status_pb2.Status(code=code, message=message, details=[detail])
    return Status(code, message, (("grpc-status-details-bin", status.SerializeToString()),))


def _cut(text: str) -> str:
    if len(text) <= _SHORT_CHARACTERS:
        return text
    encoded = text.encode(errors="replace")
    if len(encoded) <= _MAX_TEXT_BYTES:
        return text
    return f"{encoded[:_MAX_TEXT_BYTES].decode(errors='ignore')}…"


def internal_error(error: Exception, method: str, metadata: Sequence[tuple[str, str | bytes]] = ()) -> InternalError:
    """Log an unexpected exception, and return the error that callers get: an id, never the exception's text.

    Args:
        error: What was raised.
        method: Where.
        metadata: Of the call, whose own request id is taken if it has one.
    """
    request_id = request_id_of(metadata) or uuid4().hex[:12]
    known = {"method": method, "request_id": request_id} | trace_of(metadata)
    if _tracebacks.passes():
        _logger.error(
            "%s failed, error id %s%s", method, request_id, _tracebacks.left_out(), exc_info=error, extra=known
        )
    else:  # as where one visitor's state fails every call: the log has some of these already
        _logger.error("%s failed, error id %s: %r", method, request_id, error, extra=known)
    return InternalError(f"internal error {request_id}; the server's log has the details under this id")
