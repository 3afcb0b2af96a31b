"""The configurations of ``deploy/proxies``: calls arrive, who is let in, and new certificates without a restart."""

from __future__ import annotations

import shutil
import socket
import ssl
import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import grpc
import pytest

from benchmarks.rig.terminators import CONFIGURATIONS, Terminator, missing, terminator
from support.certificates import Authority, Pair
from support.running_server import Served, serving, track
from support.worker_processes import stub_of, until

ALONE = [("grpc.use_local_subchannel_pool", 1)]
READS_CALLS = ("haproxy-http.cfg", "envoy.yaml")
ASKS_FOR_CERTIFICATES = ("haproxy.cfg", "envoy.yaml")


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority) -> dict[str, Pair]:
    return {name: authority.issue(name) for name in ("server", "renewed", "backend")}


@pytest.fixture
async def server(store, models, short_directory) -> AsyncIterator[Served]:
    """A server with the native transport on a socket."""
    async with serving(
        redis_url=store.url, models=models, host=f"unix:{short_directory}/s.sock", transport="native"
    ) as one:
        yield one


@pytest.fixture(params=CONFIGURATIONS)
def proxy(request, server, authority, issued) -> Iterator[tuple[str, Terminator]]:
    """Each of the configurations in front of it."""
    if reason := missing(request.param):
        pytest.skip(reason)
    with tempfile.TemporaryDirectory(prefix="presage-proxy-") as name:
        tls = Path(name, "tls")
        tls.mkdir()
        issued["server"].copy_to(Pair(tls / "cert.pem", tls / "key.pem"))
        shutil.copy(authority.cert, tls / "clients.pem")
        with terminator(request.param, Path(name), Path(server.address.removeprefix("unix:"))) as running:
            yield request.param, running


def secure(address: str, authority: Authority, client: Pair | None = None) -> grpc.aio.Channel:
    key, cert = (client.key.read_bytes(), client.cert.read_bytes()) if client else (None, None)
    given = grpc.ssl_channel_credentials(authority.cert.read_bytes(), key, cert)
    return grpc.aio.secure_channel(address, given, options=ALONE)


def shown_certificate(address: str, authority: Authority, client: Pair) -> str:
    """Return the common name of the certificate that a new connection is shown."""
    context = ssl.create_default_context(cafile=str(authority.cert))
    context.load_cert_chain(client.cert, client.key)
    host, _, port = address.rpartition(":")
    with socket.create_connection((host, int(port))) as plain, context.wrap_socket(plain, server_hostname=host) as one:
        (((_, name),),) = one.getpeercert()["subject"]
        return str(name)


def renew(configuration: str, proxy: Terminator, pair: Pair) -> None:
    """Give a proxy a new certificate, as docs/how-to/secure-a-server.md says."""
    if CONFIGURATIONS[configuration] == "envoy":
        pair.copy_to(Pair(proxy.folder / "tls" / "cert.pem", proxy.folder / "tls" / "key.pem"))
        return
    file, both = proxy.folder / "tls" / "server.pem", pair.cert.read_text() + pair.key.read_text()
    for command in (f"set ssl cert {file} <<\n{both.rstrip()}\n\n", f"commit ssl cert {file}\n"):
        with socket.socket(socket.AF_UNIX) as admin:
            admin.connect(str(proxy.folder / "run" / "admin.sock"))
            admin.sendall(command.encode())
            answer = b""
            while more := admin.recv(4096):
                answer += more
        assert b"Transaction created" in answer or b"Success" in answer, answer


async def test_calls_arrive_and_a_new_certificate_needs_no_restart(proxy, authority, issued):
    configuration, running = proxy
    backend = issued["backend"]
    async with secure(running.address, authority, backend) as open_channel:
        await stub_of(open_channel).TrackEvent(track(event_id="first"), timeout=20)
        if configuration in ASKS_FOR_CERTIFICATES:
            async with secure(running.address, authority) as channel:
                with pytest.raises(grpc.aio.AioRpcError, match="UNAVAILABLE"):
                    await stub_of(channel).TrackEvent(track(), timeout=20)
        assert shown_certificate(running.address, authority, backend) == "server"
        renew(configuration, running, issued["renewed"])

        async def shows_the_new_one() -> bool:
            return shown_certificate(running.address, authority, backend) == "renewed"

        await until(shows_the_new_one)
        assert (await stub_of(open_channel).TrackEvent(track(event_id="first"), timeout=20)).duplicate


async def test_what_reads_calls_rejects_compressed_ones(proxy, authority, issued):
    configuration, running = proxy
    async with secure(running.address, authority, issued["backend"]) as channel:
        call = stub_of(channel).TrackEvent(track(user_id="v" * 200), timeout=20, compression=grpc.Compression.Gzip)
        if configuration in READS_CALLS:
            with pytest.raises(grpc.aio.AioRpcError, match="UNIMPLEMENTED"):
                await call
        else:
            await call
