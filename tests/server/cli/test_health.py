"""``presage health``: its answer, and its exit code."""

from __future__ import annotations

import asyncio

import pytest

from presage_server.cli.health import _own_address, health
from support.certificates import Authority
from support.running_server import serving
from support.scripted_servicer import nobody_at


async def test_a_server_that_serves_is_well(served, each_transport, capsys):
    await asyncio.to_thread(health, served.address, timeout_seconds=20)
    await asyncio.to_thread(health, served.address, service="presage.v1.ScoringService", timeout_seconds=20)
    assert capsys.readouterr() == ("", "")


async def test_a_service_that_is_not_there_is_not_well(served, capsys):
    with pytest.raises(SystemExit) as ended:
        await asyncio.to_thread(health, served.address, service="presage.v1.Nothing", timeout_seconds=20)
    assert ended.value.code == 1
    assert f"presage health: {served.address}: NOT_FOUND" in capsys.readouterr().err


async def test_a_server_with_a_certificate_is_asked_over_tls(store, models, tmp_path, capsys, monkeypatch):
    authority = Authority(tmp_path / "authority")
    pair = authority.issue("server")
    tls = {"tls_cert": str(pair.cert), "tls_key": str(pair.key)}
    async with serving(redis_url=store.url, models=models, transport="grpcio", **tls) as server:
        port = server.address.rpartition(":")[2]
        ca = str(authority.cert)
        await asyncio.to_thread(health, f"localhost:{port}", tls_ca=ca, timeout_seconds=20)
        with pytest.raises(SystemExit):
            await asyncio.to_thread(health, f"localhost:{port}", tls_ca=ca, tls_name="other", timeout_seconds=20)
        assert "UNAVAILABLE" in capsys.readouterr().err
        # As in a container, whose variables are those of its server.
        for name, value in {
            "PRESAGE_PORT": port,
            "PRESAGE_TLS_CERT": str(pair.cert),
            "PRESAGE_TLS_KEY": str(pair.key),
        }.items():
            monkeypatch.setenv(name, value)
        await asyncio.to_thread(health, timeout_seconds=20)
        monkeypatch.setenv("PRESAGE_TLS_KEY", str(tmp_path / "none.key"))
        with pytest.raises(SystemExit):
            await asyncio.to_thread(health)
    assert "none.key cannot be read" in capsys.readouterr().err


def test_nobody_there_is_not_well(capsys):
    with nobody_at() as target, pytest.raises(SystemExit) as ended:
        health(target, timeout_seconds=20)
    assert ended.value.code == 1
    assert capsys.readouterr().err.startswith(f"presage health: {target}: UNAVAILABLE")


def test_a_certificate_that_cannot_be_read_is_named(tmp_path, capsys):
    with pytest.raises(SystemExit):
        health("localhost:1", tls_ca=str(tmp_path / "ca.pem"))
    assert f"tls_ca: {tmp_path / 'ca.pem'} cannot be read: No such file or directory" in capsys.readouterr().err


@pytest.mark.parametrize(
    ("variables", "address"),
    [
        ({}, "localhost:50051"),
        ({"PRESAGE_HOST": "0.0.0.0", "PRESAGE_PORT": "7000"}, "localhost:7000"),
        ({"PRESAGE_HOST": "10.1.2.3"}, "10.1.2.3:50051"),
        ({"PRESAGE_HOST": "fd00::1"}, "[fd00::1]:50051"),
        ({"PRESAGE_HOST": "unix:/run/presage/socket"}, "unix:/run/presage/socket"),
        ({"PRESAGE_PORT": "tcp://10.0.0.1:50051"}, "localhost:50051"),
    ],
)
def test_it_asks_what_serves_here(monkeypatch, variables, address):
    for name in ("PRESAGE_HOST", "PRESAGE_PORT"):
        monkeypatch.delenv(name, raising=False)
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    assert _own_address() == address
