from __future__ import annotations

import pytest

from presage_client import AsyncClient, Client
from presage_client._target import DEFAULT_PORT, full_target
from presage_server.settings import Settings


def test_the_default_port_is_that_of_the_server():
    assert Settings().port == DEFAULT_PORT


@pytest.mark.parametrize(
    ("given", "full"),
    [
        ("localhost", "localhost:50051"),
        ("presage.shop.internal", "presage.shop.internal:50051"),
        ("10.0.0.7", "10.0.0.7:50051"),
        ("::1", "[::1]:50051"),
        ("[::1]", "[::1]:50051"),
        ("dns:///presage.internal", "dns:///presage.internal:50051"),
        ("dns://10.0.0.2/presage.internal", "dns://10.0.0.2/presage.internal:50051"),
        ("dns://10.0.0.2:5353/presage.internal", "dns://10.0.0.2:5353/presage.internal:50051"),
        ("dns:presage.internal", "dns:presage.internal:50051"),
        ("dns:///[2001:db8::7]", "dns:///[2001:db8::7]:50051"),
    ],
)
def test_a_bare_host_gets_the_default_port(given, full):
    assert full_target(given) == full


@pytest.mark.parametrize(
    "target",
    [
        "localhost:9000",
        "[::1]:9000",
        "dns:///presage.internal:9000",
        "dns:presage.internal:9000",
        "ipv4:10.0.0.7:9000,10.0.0.8:9000",
        "ipv6:[::1]:9000",
        "unix:/run/presage.sock",
        "unix:///run/presage.sock",
        "unix-abstract:presage",
        "xds:///presage",
    ],
)
def test_other_targets_stay_as_they_are(target):
    assert full_target(target) == target


@pytest.mark.parametrize("target", ["", ":50051", "localhost:", "dns:///", "dns:"])
def test_a_target_without_a_host_or_with_an_empty_port_is_refused(target):
    with pytest.raises(ValueError, match=r"^target: expected HOST or HOST:PORT, got "):
        full_target(target)


@pytest.mark.parametrize("client", [Client, AsyncClient])
def test_clients_refuse_arguments_of_the_wrong_type(client):
    with pytest.raises(TypeError, match=r"^target: expected a string, got 50051, which is of type int$"):
        client(50051)
    with pytest.raises(ValueError, match=r"^target: expected HOST or HOST:PORT, got the URL 'http://localhost:50051'"):
        client("http://localhost:50051")
    with pytest.raises(TypeError, match=r"^options: expected a ClientOptions, got \{'timeout_ms': 5\}"):
        client("localhost", options={"timeout_ms": 5})
