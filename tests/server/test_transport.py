"""Which transport is taken, and what of pygrpc-native's insides ours relies on."""

from __future__ import annotations

import pytest
from pygrpc_native.aio import Server

from presage_server.errors import SettingsError
from presage_server.metrics import Metrics
from presage_server.transport import choose_transport, make_server


@pytest.mark.parametrize(
    ("asked", "installed", "taken"),
    [
        ("auto", True, "native"),
        ("auto", False, "grpcio"),
        ("grpcio", True, "grpcio"),
        ("grpcio", False, "grpcio"),
        ("native", True, "native"),
    ],
)
def test_the_transport_that_is_asked_for_or_else_there_is_taken(asked, installed, taken):
    transport, reason = choose_transport(asked, installed=lambda: installed)

    assert transport == taken
    assert reason


def test_a_transport_that_is_not_there_is_refused_with_what_to_do():
    with pytest.raises(SettingsError, match=r"transport: .*pip install 'presage\[native\]'"):
        choose_transport("native", installed=lambda: False)


async def test_an_option_that_native_cannot_do_is_refused_by_name():
    with pytest.raises(SettingsError, match=r"transport: native cannot .*grpc\.max_connection_age_ms"):
        make_server("native", [("grpc.max_connection_age_ms", 1_000)], metrics=Metrics())


def test_what_ours_overrides_is_still_there():
    assert Server._on_events.__code__.co_varnames[:2] == ("self", "events")
