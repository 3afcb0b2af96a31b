from __future__ import annotations

import dataclasses
import json
import math

import grpc
import pytest

from presage_client import ClientOptions
from presage_client.options import call_metadata, channel_arguments

NUMBERS = [
    field.name
    for field in dataclasses.fields(ClientOptions)
    if field.name not in ("max_attempts", "credentials", "hedging", "token")
]
FLOATS = ["timeout_ms", "initial_backoff_ms", "max_backoff_ms"]


@pytest.mark.parametrize(
    ("field", "value"),
    [(name, value) for name in NUMBERS for value in (0, -1)]
    + [(name, value) for name in FLOATS for value in (math.inf, math.nan)],
)
def test_a_number_out_of_range_is_refused_by_name(field, value):
    with pytest.raises(ValueError, match=f"^{field}: expected a positive, finite number, got {value}"):
        ClientOptions(**{field: value})


@pytest.mark.parametrize("value", ["250", None, True])
@pytest.mark.parametrize("field", [*NUMBERS, "max_attempts"])
def test_what_is_no_number_is_refused_by_name(field, value):
    expected = "a number" if field in FLOATS else "an integer"
    with pytest.raises(TypeError, match=f"^{field}: expected {expected}, got {value!r}, which is of type "):
        ClientOptions(**{field: value})


def test_credentials_are_those_of_grpc():
    assert ClientOptions(credentials=grpc.ssl_channel_credentials()).credentials is not None
    with pytest.raises(TypeError, match=r"^credentials: expected a ChannelCredentials, got 'secret'"):
        ClientOptions(credentials="secret")


@pytest.mark.parametrize("value", [0, 6])
def test_attempts_are_one_to_five(value):
    with pytest.raises(ValueError, match=f"^max_attempts: expected 1 to 5, got {value}"):
        ClientOptions(max_attempts=value)


def test_backoff_does_not_end_before_it_begins():
    with pytest.raises(ValueError, match=r"^max_backoff_ms: expected at least initial_backoff_ms \(60\), got 50"):
        ClientOptions(initial_backoff_ms=60)


def test_credentials_and_tokens_stay_out_of_the_repr():
    assert "credentials" not in repr(ClientOptions())
    assert "secret" not in repr(ClientOptions(token="secret"))


@pytest.mark.parametrize("token", ["sec ret", "secret\n", "sécret", "\0"])
def test_a_token_that_cannot_be_sent_is_refused_and_not_repeated(token):
    with pytest.raises(ValueError, match=r"^token: expected one word of printable ASCII, got spaces") as caught:
        ClientOptions(token=token)
    assert "cret" not in str(caught.value)
    with pytest.raises(ValueError, match=r"^token: "):
        call_metadata(ClientOptions(token=lambda: token))


def test_a_token_is_a_string_or_returned_by_a_function():
    with pytest.raises(TypeError, match=r"^token: expected a string, got a value of type bytes$"):
        ClientOptions(token=b"secret")
    with pytest.raises(TypeError, match=r"^token: expected a string, got a value of type NoneType$"):
        call_metadata(ClientOptions(token=lambda: None))
    tokens = iter(["one", "two", ""])
    options = ClientOptions(token=lambda: next(tokens))
    assert call_metadata(options) == (("authorization", "Bearer one"),)
    assert call_metadata(options) == (("authorization", "Bearer two"),)
    assert call_metadata(options) == ()


def test_the_service_config_covers_exactly_these_services_and_repeats_only_what_no_server_has_processed():
    config = json.loads(dict(channel_arguments(ClientOptions()))["grpc.service_config"])
    assert config["loadBalancingConfig"] == [{"round_robin": {}}]
    assert config["methodConfig"] == [
        {
            "name": [
                {"service": "presage.v1.ScoringService"},
                {"service": "presage.v1.RankingService"},
                {"service": "presage.v1.ModelService"},
            ],
            "retryPolicy": {
                "maxAttempts": 3,
                "initialBackoff": "0.005000s",
                "maxBackoff": "0.050000s",
                "backoffMultiplier": 2,
                "retryableStatusCodes": ["UNAVAILABLE", "RESOURCE_EXHAUSTED", "CANCELLED"],
            },
        },
        # Its answer may be lost after the change was made, and the change is no longer one of the newest revision then.
        {"name": [{"service": "presage.v1.ModelService", "method": "SetAliases"}]},
    ]


def test_options_reach_the_channel():
    options = ClientOptions(keepalive_interval_ms=1, keepalive_timeout_ms=2, max_send_bytes=3, max_receive_bytes=4)
    arguments = dict(channel_arguments(options))
    assert arguments["grpc.keepalive_time_ms"] == 1
    assert arguments["grpc.keepalive_timeout_ms"] == 2
    assert arguments["grpc.max_send_message_length"] == 3
    assert arguments["grpc.max_receive_message_length"] == 4
