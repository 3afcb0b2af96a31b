"""Which transport is taken, and what speaks against native."""

from __future__ import annotations

import sys

import pytest

from presage_server.errors import SettingsError
from presage_server.settings import Settings
from presage_server.transport.addresses import is_loopback
from presage_server.transport.choosing import choose_transport
from support.running_server import server_process

KNOWN, UNKNOWN, NONE = "0.5.3", "0.6.0", ""
OPEN = "0.0.0.0"


def chosen(transport: str, installed: str, **settings) -> tuple[str, str]:
    return choose_transport(Settings(transport=transport, **settings), installed=lambda: installed)


@pytest.mark.parametrize(
    ("asked", "installed", "taken"),
    [
        ("auto", KNOWN, "native"),
        ("auto", NONE, "grpcio"),
        ("auto", UNKNOWN, "grpcio"),
        ("grpcio", KNOWN, "grpcio"),
        ("grpcio", NONE, "grpcio"),
        ("native", KNOWN, "native"),
    ],
)
def test_the_transport_that_is_asked_for_or_else_the_best_usable_one_is_taken(asked, installed, taken):
    transport, reason = chosen(asked, installed)
    assert transport == taken
    assert reason


@pytest.mark.parametrize(
    ("installed", "message"),
    [
        (NONE, r"transport: native cannot be used: .*pip install 'presage-scoring\[native\]'"),
        (UNKNOWN, r"transport: native cannot be used: pygrpc-native 0\.6\.0 is installed, .* tested with 0\.5\.x"),
    ],
)
def test_native_that_is_missing_or_of_another_series_is_rejected_with_the_reason(installed, message):
    with pytest.raises(SettingsError, match=message):
        chosen("native", installed)


@pytest.mark.parametrize("transport", ["auto", "grpcio"])
def test_grpcio_of_another_series_is_rejected_unless_native_is_taken(transport):
    settings = Settings(transport=transport)
    with pytest.raises(
        SettingsError, match=r"transport: grpcio cannot be used: grpcio 1\.90\.0 is installed, .* tested with 1"
    ):
        choose_transport(settings, installed=lambda: NONE, grpcio="1.90.0")
    assert choose_transport(Settings(transport="auto"), installed=lambda: KNOWN, grpcio="1.90.0")[0] == "native"


def test_beyond_loopback_native_needs_trusted_clients():
    with pytest.raises(SettingsError, match=rf"native cannot be used: on {OPEN}, it inflates .* trusted_clients"):
        chosen("native", KNOWN, host=OPEN, insecure=True)
    transport, reason = chosen("auto", KNOWN, host=OPEN, insecure=True)
    assert transport == "grpcio"
    assert "trusted_clients" in reason
    for asked in ("auto", "native"):
        assert chosen(asked, KNOWN, host=OPEN, insecure=True, trusted_clients=True)[0] == "native"
    assert chosen("grpcio", KNOWN, host=OPEN, insecure=True)[0] == "grpcio"


def test_with_a_certificate_grpcio_is_taken():
    tls = {"tls_cert": "cert.pem", "tls_key": "key.pem"}
    transport, reason = chosen("auto", KNOWN, **tls)
    assert transport == "grpcio"
    assert reason.startswith("native cannot be used: it has no TLS; for both, have a proxy speak TLS")
    with pytest.raises(SettingsError, match=r"^transport: native cannot be used: it has no TLS"):
        chosen("native", KNOWN, **tls)


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *((host, True) for host in ("127.0.0.1", "127.1.2.3", "::1", "localhost", "unix:/run/presage.sock")),
        *(
            (host, False)
            for host in ("0.0.0.0", "::", "192.0.2.1", "2001:db8::1", "presage.internal", "localhost.evil")
        ),
    ],
)
def test_what_only_this_machine_can_reach(host, loopback):
    assert is_loopback(host) is loopback


@pytest.mark.skipif(sys.platform == "darwin", reason="may ask the user whether to allow connections")
def test_a_server_beyond_loopback_logs_which_transport_it_takes_and_why(models, store, tmp_path):
    flags = ("--models", str(models), "--redis-url", store.url, "--host", OPEN, "--insecure")
    with server_process(tmp_path / "auto", *flags) as server:
        assert "transport: grpcio (native cannot be used: on 0.0.0.0, it inflates" in server.log
    with server_process(tmp_path / "trusting", *flags, "--trusted-clients") as server:
        assert "transport: native (pygrpc-native is installed)" in server.log
    with server_process(tmp_path / "native", *flags, "--transport", "native", wait=False) as server:
        assert server.wait() == (2, "")
        assert "presage: cannot serve: transport: native cannot be used: on 0.0.0.0, it inflates" in server.log
