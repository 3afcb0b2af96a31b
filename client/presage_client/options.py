"""How a client talks to its server, and the gRPC channel arguments that say so."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field

import grpc

from presage.v1 import model_service_pb2, ranking_service_pb2, scoring_service_pb2
from presage_client._checks import check_instance, check_integers, check_numbers, check_token
from presage_client.hedging import Hedging

__all__ = ["ClientOptions", "call_metadata", "channel_arguments", "hedging_arguments"]

_NUMBERS = ("timeout_ms", "initial_backoff_ms", "max_backoff_ms")
_INTEGERS = ("keepalive_interval_ms", "keepalive_timeout_ms", "max_send_bytes", "max_receive_bytes")
_SERVICES = [
    service.full_name
    for contract in (scoring_service_pb2, ranking_service_pb2, model_service_pb2)
    for service in contract.DESCRIPTOR.services_by_name.values()
]
_NEVER_REPEATED = [
    {"service": model_service_pb2.DESCRIPTOR.services_by_name["ModelService"].full_name, "method": "SetAliases"}
]
"""A change that was made before its answer was lost would be repeated on a revision that is no longer the newest."""


@dataclass(frozen=True, kw_only=True, slots=True)
class ClientOptions:
    """How a client talks to its server; the defaults fit a backend beside the server.

    Raises:
        TypeError: An option has a value of the wrong type; the message names it.
        ValueError: An option is out of its range; the message names it.
    """

    timeout_ms: float = 250
    """Longest wait for the answer to a call, retries included, in milliseconds; every call has a deadline."""
    max_attempts: int = 3
    """How often a call is sent while servers are unavailable, overloaded or shut down, 1 to 5 with the first.

    Nothing else is retried. Where a server says when, it is then, and not at all if that is past the deadline.
    """
    initial_backoff_ms: float = 5
    """Wait before the second attempt, in milliseconds; doubles for each further one, up to ``max_backoff_ms``."""
    max_backoff_ms: float = 50
    """Longest wait between two attempts, in milliseconds."""
    keepalive_interval_ms: int = 30_000
    """Wait before an idle connection is probed, in milliseconds; a Presage server takes 10,000 and more."""
    keepalive_timeout_ms: int = 5_000
    """Longest wait for the answer to such a probe before the connection is given up, in milliseconds."""
    max_send_bytes: int = 4 * 1024 * 1024
    """Largest request."""
    max_receive_bytes: int = 4 * 1024 * 1024
    """Largest answer."""
    credentials: grpc.ChannelCredentials | None = field(default=None, repr=False)
    """TLS and who calls, as made by ``tls_credentials`` or ``grpc.ssl_channel_credentials``; None means plain text."""
    hedging: Hedging | None = None
    """Sends a slow Score a second time; None: it does not."""
    token: str | Callable[[], str] = field(default="", repr=False)
    """What ``presage tokens add`` printed, or a function that returns it, called for every call; empty: none is sent."""

    def __post_init__(self) -> None:
        check_numbers(self, _NUMBERS)
        check_integers(self, ("max_attempts", *_INTEGERS))
        if self.credentials is not None:
            check_instance("credentials", self.credentials, grpc.ChannelCredentials)
        if self.hedging is not None:
            check_instance("hedging", self.hedging, Hedging)
        if not callable(self.token):
            check_token(self.token)
        for name in (*_NUMBERS, *_INTEGERS):
            value = getattr(self, name)
            if not 0 < value < float("inf"):
                raise ValueError(f"{name}: expected a positive, finite number, got {value!r}")
        # gRPC itself makes at most five attempts, whatever its configuration says.
        if not 1 <= self.max_attempts <= 5:
            raise ValueError(f"max_attempts: expected 1 to 5, got {self.max_attempts!r}")
        if self.max_backoff_ms < self.initial_backoff_ms:
            raise ValueError(
                f"max_backoff_ms: expected at least initial_backoff_ms ({self.initial_backoff_ms!r}), "
                f"got {self.max_backoff_ms!r}"
            )


def channel_arguments(options: ClientOptions) -> list[tuple[str, str | int]]:
    """Turn options into gRPC channel arguments.

    The names are those of https://grpc.github.io/grpc/core/group__grpc__arg__keys.html.
    """
    return [
        ("grpc.service_config", json.dumps(_service_config(options))),
        ("grpc.keepalive_time_ms", options.keepalive_interval_ms),
        ("grpc.keepalive_timeout_ms", options.keepalive_timeout_ms),
        # A backend may be quiet for minutes; the first call after that must not find out that the server is gone.
        ("grpc.keepalive_permit_without_calls", 1),
        ("grpc.http2.max_pings_without_data", 0),
        # gRPC's own 1 s and 120 s would leave a client without scores for long after its server is back.
        ("grpc.initial_reconnect_backoff_ms", 100),
        ("grpc.max_reconnect_backoff_ms", 2_000),
        ("grpc.max_send_message_length", options.max_send_bytes),
        ("grpc.max_receive_message_length", options.max_receive_bytes),
    ]


def hedging_arguments(options: ClientOptions) -> list[tuple[str, str | int]]:
    """Return the arguments of the channel for second attempts, whose connections are its own: a slow one is not met again."""
    return [*channel_arguments(options), ("grpc.use_local_subchannel_pool", 1)]


def call_metadata(options: ClientOptions) -> tuple[tuple[str, str], ...]:
    """Return what every call of a client carries beside its request.

    Raises:
        TypeError: The function that returns the token returned no string.
        ValueError: It returned none that can be sent.
    """
    token = options.token
    if callable(token):
        token = token()
        check_token(token)
    return (("authorization", f"Bearer {token}"),) if token else ()


def _service_config(options: ClientOptions) -> dict[str, object]:
    """Write the service config: https://github.com/grpc/grpc/blob/master/doc/service_config.md."""
    method: dict[str, object] = {"name": [{"service": service} for service in _SERVICES]}
    if options.max_attempts > 1:
        # Tracking may be repeated too: every event carries its id. So may rankings, and items, whose values are absolute.
        method["retryPolicy"] = {
            "maxAttempts": options.max_attempts,
            "initialBackoff": _seconds(options.initial_backoff_ms),
            "maxBackoff": _seconds(options.max_backoff_ms),
            "backoffMultiplier": 2,
            # A server that is overloaded rejects a call before any work. One that shuts down cancels the calls that it has not
            # taken yet.
            "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
        }
    return {
        "loadBalancingConfig": [{"round_robin": {}}],
        "methodConfig": [method, {"name": _NEVER_REPEATED}],
        # No retries while more than one call in ten fails: they would be load on servers that have trouble already.
        "retryThrottling": {"maxTokens": 100, "tokenRatio": 0.1},
    }


def _seconds(duration_ms: float) -> str:
    return f"{duration_ms / 1_000:.6f}s"
