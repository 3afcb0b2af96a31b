"""What is the same for every call: its deadline, its errors, its count."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from functools import wraps
from time import perf_counter
from typing import Any, Protocol, TypeVar
from uuid import uuid4

import grpc
from google.protobuf.any_pb2 import Any as AnyMessage
from google.protobuf.message import DecodeError
from google.rpc import error_details_pb2, status_pb2

from presage_server.call import Call
from presage_server.errors import DeadlineError, InternalError, InvalidRequestError, RpcError
from presage_server.pipeline.in_flight import InFlight
from presage_server.pipeline.time_limit import TimeLimit
from presage_server.telemetry.metrics import Metrics
from presage_server.telemetry.stopwatch import Stopwatch

__all__ = ["Served", "rpc"]

_logger = logging.getLogger(__name__)

_LEAST_SECONDS = 0.001
"""A call with less time left is ended at once: its caller would not see the answer."""

S = TypeVar("S", bound="Served")
Request = TypeVar("Request")
Response = TypeVar("Response")


class Served(Protocol):
    """What a servicer has for its calls."""

    metrics: Metrics
    in_flight: InFlight
    timeout_seconds: float


def rpc(
    method: Callable[[S, Request, Call], Awaitable[Response]],
) -> Callable[[S, Request, grpc.aio.ServicerContext[Any, Any]], Awaitable[Response]]:
    """Make a gRPC handler of a method that takes a request, answers with a response and raises RpcError.

    The handler ends by the caller's deadline or the server's own, whichever is first. An RpcError becomes its status, with the
    field at fault as google.rpc.BadRequest; anything unforeseen becomes INTERNAL with an id that the log has too, never with its
    own text.
    """
    name = method.__name__

    @wraps(method)
    async def handle(self: S, request: Request, context: grpc.aio.ServicerContext[Any, Any]) -> Response:
        started = perf_counter()
        code = grpc.StatusCode.OK
        try:
            call = Call(_allowed_seconds(context, self.timeout_seconds), Stopwatch(started))
            _check_readable(request)
            with self.in_flight, TimeLimit(call.seconds):
                return await method(self, request, call)
        except RpcError as error:
            code = error.code
            await _abort(context, error)
        except TimeoutError:
            code = grpc.StatusCode.DEADLINE_EXCEEDED
            await _abort(context, DeadlineError(f"no answer within {call.seconds * 1e3:.0f} ms"))
        except asyncio.CancelledError:
            code = grpc.StatusCode.CANCELLED
            raise
        except Exception:
            code = grpc.StatusCode.INTERNAL
            error_id = uuid4().hex[:12]
            _logger.exception("%s failed, error id %s", name, error_id)
            message = f"internal error {error_id}; the server's log has the details under this id"
            await _abort(context, InternalError(message))
        finally:
            self.metrics.count_call(name, code.name, perf_counter() - started)
        raise AssertionError("abort always raises")

    return handle


def _allowed_seconds(context: grpc.aio.ServicerContext[Any, Any], most: float) -> float:
    left: float | None = context.time_remaining()  # the type stubs do not know that it is None without a deadline
    allowed = most if left is None else min(left, most)
    if allowed < _LEAST_SECONDS:
        raise DeadlineError("the call came with no time left")
    return allowed


def _check_readable(request: object) -> None:
    if isinstance(request, DecodeError):
        raise InvalidRequestError(str(request))


async def _abort(context: grpc.aio.ServicerContext[Any, Any], error: RpcError) -> None:
    """End the call with the error's status; with google.rpc.BadRequest as details if a field is at fault."""
    message = str(error)
    metadata: tuple[tuple[str, bytes], ...] = ()
    if error.field:
        violation = error_details_pb2.BadRequest.FieldViolation(field=error.field, description=error.description)
        detail = AnyMessage()
        detail.Pack(error_details_pb2.BadRequest(field_violations=[violation]))
        status = status_pb2.Status(code=error.code.value[0], message=message, details=[detail])
        metadata = (("grpc-status-details-bin", status.SerializeToString()),)
    try:
        await context.abort(error.code, message, trailing_metadata=metadata)
    except grpc.aio.AbortError:
        raise  # how abort ends a handler
    except Exception as gone:
        # The caller's deadline has passed or it has left: gRPC cannot send a status any more, and none is awaited.
        raise asyncio.CancelledError from gone
