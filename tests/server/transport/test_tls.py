"""Servers that speak TLS: who is let in, and new certificates without a restart."""

from __future__ import annotations

import os
import socket
import ssl
import subprocess
import sys
import sysconfig
from pathlib import Path

import grpc
import pytest
from grpc_health.v1 import health_pb2, health_pb2_grpc

from presage_featurizer import Event, EventType
from presage_server.cli.targets import open_channel
from presage_server.errors import SettingsError
from presage_server.settings import Settings
from presage_server.transport.addresses import claim_socket
from presage_training.readers import write_presage_log
from support.certificates import Authority, Pair
from support.running_server import server_process, serving, track
from support.worker_processes import stub_of, until

SERVING = health_pb2.HealthCheckResponse.SERVING
ALONE = [("grpc.use_local_subchannel_pool", 1)]
"""A connection of its own."""


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority) -> dict[str, Pair]:
    return {name: authority.issue(name) for name in ("server", "renewed", "backend")}


@pytest.fixture
def served(issued, tmp_path) -> Pair:
    """Copies that a test may replace."""
    pair = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued["server"].copy_to(pair)
    return pair


def presage(*words: str, **variables: str) -> subprocess.CompletedProcess[str]:
    """Run a command to its end."""
    command = [str(Path(sysconfig.get_path("scripts"), "presage")), *words]
    return subprocess.run(command, env=os.environ | variables, capture_output=True, text=True, check=False)


def credentials(authority: Authority, client: Pair | None = None) -> grpc.ChannelCredentials:
    key, cert = (client.key.read_bytes(), client.cert.read_bytes()) if client else (None, None)
    return grpc.ssl_channel_credentials(authority.cert.read_bytes(), key, cert)


def secure(address: str, given: grpc.ChannelCredentials) -> grpc.aio.Channel:
    return grpc.aio.secure_channel(address, given, options=ALONE)


async def health_of(channel: grpc.aio.Channel) -> int:
    response = await health_pb2_grpc.HealthStub(channel).Check(health_pb2.HealthCheckRequest(), timeout=20)
    return int(response.status)


def shown_certificate(address: str, authority: Authority) -> str:
    """Return the common name of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(authority.cert))
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as one:
        (((_, name),),) = one.getpeercert()["subject"]
        return str(name)


async def test_calls_and_health_are_encrypted(store, models, authority, served):
    flags = {"redis_url": store.url, "models": models, "tls_cert": str(served.cert), "tls_key": str(served.key)}
    async with serving(transport="auto", **flags) as server:
        async with secure(server.address, credentials(authority)) as channel:
            await stub_of(channel).TrackEvent(track())
            assert await health_of(channel) == SERVING
        with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
            await server.stub.TrackEvent(track(), timeout=20)
        stranger = grpc.ssl_channel_credentials()  # trusts the authorities of the system
        async with secure(server.address, stranger) as channel:
            with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                await stub_of(channel).TrackEvent(track(), timeout=20)


@pytest.mark.slow
@pytest.mark.skipif(sys.platform != "linux", reason="only Linux distributes connections")
async def test_workers_ask_for_client_certificates_and_take_new_ones_of_their_own(  # noqa: PLR0917 - fixtures
    store, models, authority, issued, served, tmp_path
):
    stranger = Authority(tmp_path / "stranger").issue("stranger")
    clients = tmp_path / "clients.pem"
    clients.write_bytes(authority.cert.read_bytes())
    flags = ("--models", str(models), "--redis-url", store.url, "--workers", "2", "--transport", "auto")
    tls = ("--tls-cert", str(served.cert), "--tls-key", str(served.key), "--tls-client-ca", str(clients))
    with server_process(tmp_path / "log", *flags, *tls) as server:
        assert server.log.count("transport: grpcio (native cannot be used: it has no TLS") == 2
        async with secure(server.address, credentials(authority, issued["backend"])) as open_channel:
            await stub_of(open_channel).TrackEvent(track())
            for other in (None, stranger):
                async with secure(server.address, credentials(authority, other)) as channel:
                    with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                        await stub_of(channel).TrackEvent(track(), timeout=20)
            assert shown_certificate(server.address, authority) == "server"
            issued["renewed"].copy_to(served)
            clients.write_bytes(stranger.cert.read_bytes())  # trusted by itself

            async def all_show_the_new_one() -> bool:
                return {shown_certificate(server.address, authority) for _ in range(8)} == {"renewed"}

            await until(all_show_the_new_one)
            await stub_of(open_channel).TrackEvent(track())
            async with secure(server.address, credentials(authority, stranger)) as channel:
                await stub_of(channel).TrackEvent(track())
        served.key.write_text("broken")

        async def reported() -> bool:
            return server.log.count("the new one cannot be served: tls_key: expected the key") == 2

        await until(reported)
        assert shown_certificate(server.address, authority) == "renewed"


def test_a_certificate_that_cannot_be_served_ends_the_start(store, models, issued, served, tmp_path):
    served.key.write_bytes(issued["renewed"].key.read_bytes())
    flags = (
        "--models",
        str(models),
        "--redis-url",
        store.url,
        "--tls-cert",
        str(served.cert),
        "--tls-key",
        str(served.key),
    )
    with server_process(tmp_path / "log", *flags, wait=False) as server:
        assert server.wait() == (2, "")
        assert "presage: cannot serve: tls_key: expected the key" in server.log


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"tls_cert": "cert.pem"}, r"^tls_key: expected a PEM file beside tls_cert"),
        ({"tls_key": "key.pem"}, r"^tls_cert: expected a PEM file beside tls_key"),
        ({"tls_client_ca": "ca.pem"}, r"^tls_client_ca: expected tls_cert and tls_key beside it"),
        ({"host": "0.0.0.0"}, r"^host: on 0\.0\.0\.0, .* nothing would be encrypted; .* insecure"),
        ({"host": "0.0.0.0", "trusted_clients": True}, r"^host: on 0\.0\.0\.0"),
        ({"host": "unix:presage.sock"}, r"^host: expected unix: and an absolute path"),
        ({"host": f"unix:/{'long' * 30}"}, r"^host: expected unix: and an absolute path of at most 100 bytes"),
        ({"host": "unix:/presage.sock", "workers": 2}, r"^workers: expected 1 with a unix socket"),
    ],
)
def test_settings_that_do_not_fit_are_rejected_by_name(given, message):
    with pytest.raises(SettingsError, match=message):
        Settings(**given)


def test_beyond_loopback_tls_or_a_word_is_needed():
    Settings(host="0.0.0.0", tls_cert="cert.pem", tls_key="key.pem")
    Settings(host="0.0.0.0", insecure=True)
    for host in ("127.0.0.1", "::1", "localhost", "unix:/run/presage.sock"):
        Settings(host=host)


async def test_a_server_on_a_socket_serves_and_leaves_nothing(each_transport, store, models, short_directory):
    path = short_directory / f"{each_transport}.sock"
    with socket.socket(socket.AF_UNIX) as left:  # as a server that was killed leaves it
        left.bind(str(path))
    async with serving(redis_url=store.url, models=models, host=f"unix:{path}") as server:
        assert server.address == f"unix:{path}"
        await server.stub.TrackEvent(track())
        assert await health_of(server.channel) == SERVING
        with pytest.raises(SettingsError, match=r"^host: a server listens on .* already"):
            claim_socket(server.address)
    assert not path.exists()


def test_nothing_but_a_socket_is_replaced(short_directory):
    file = short_directory / "file"
    file.write_text("kept")
    with pytest.raises(SettingsError, match=r"^host: expected a socket or nothing at .*file"):
        claim_socket(f"unix:{file}")
    assert file.read_text() == "kept"
    with pytest.raises(SettingsError, match=r"^host: expected a folder for the socket"):
        claim_socket(f"unix:{short_directory}/none/presage.sock")


@pytest.mark.slow
def test_commands_send_over_tls(store, models, authority, issued, served, tmp_path):  # noqa: PLR0917 - fixtures
    tls = ("--tls-cert", str(served.cert), "--tls-key", str(served.key), "--tls-client-ca", str(authority.cert))
    catalogue = tmp_path / "items.csv"
    catalogue.write_text("item_id,price\none,5\n")
    log = tmp_path / "events.jsonl"
    write_presage_log(
        log, [Event(event_id="e", user_id="v", type=EventType.PAGE_VIEW, event_time_unix_micros=1_700_000_000_000_000)]
    )
    with server_process(tmp_path / "log", "--models", str(models), "--redis-url", store.url, *tls) as server:
        files = {"CA": authority.cert, "CERT": issued["backend"].cert, "KEY": issued["backend"].key}
        variables = {f"PRESAGE_TARGET_TLS_{name}": str(path) for name, path in files.items()}
        for command in (("items", "load", str(catalogue)), ("replay", str(log), "--format", "presage")):
            done = presage(*command, "--target", server.address, **variables)
            assert done.returncode == 0, done.stdout + done.stderr
    with pytest.raises(SettingsError, match=r"^tls_cert, tls_key: expected both or neither"):
        open_channel("localhost", "", str(served.cert), "")
