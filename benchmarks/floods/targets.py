"""What is flooded: a server by itself with each transport, and one behind each proxy."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import MappingProxyType
from typing import Final

import grpc

from benchmarks.rig.serving import presage_process
from benchmarks.rig.terminators import missing, terminator

__all__ = ["TARGETS", "Target", "make_certificate", "running_target", "unavailable"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Target:
    """A running server, perhaps behind a proxy."""

    address: str
    server_pid: int
    proxy_pid: int | None
    tls: tuple[Path, Path] | None
    """The certificate and key that a client shows; None: plain text."""

    @property
    def credentials(self) -> grpc.ChannelCredentials | None:
        """Those of a proper client."""
        if self.tls is None:
            return None
        cert, key = (file.read_bytes() for file in self.tls)
        return grpc.ssl_channel_credentials(cert, key, cert)

    @property
    def resident_bytes(self) -> int:
        """The memory of the server and the proxy."""
        return sum(_resident_bytes(pid) for pid in (self.server_pid, self.proxy_pid) if pid is not None)


TARGETS: Final[Mapping[str, tuple[str, str]]] = MappingProxyType(
    {
        "grpcio": ("grpcio", ""),
        "native": ("native", ""),
        "haproxy, layer 4": ("native", "haproxy.cfg"),
        "haproxy, layer 7": ("native", "haproxy-http.cfg"),
        "envoy": ("native", "envoy.yaml"),
    }
)
"""Each with its transport, and the configuration of its proxy."""


def unavailable(name: str) -> str:
    """Return why a target cannot be had here; empty if it can."""
    configuration = TARGETS[name][1]
    return missing(configuration) if configuration else ""


@contextmanager
def running_target(name: str, store: str, folder: Path) -> Iterator[Target]:
    """Start a target that ends with the context.

    Args:
        name: Which.
        store: Its store's URL.
        folder: An empty one, whose path is short enough for a socket, with ``tls/`` as ``make_certificate`` makes it.
    """
    transport, configuration = TARGETS[name]
    flags = ("--transport", transport, "--no-follow-items", "--no-count-served")
    with ExitStack() as stack:
        if not configuration:
            address, pid = stack.enter_context(presage_process(store, *flags))
            yield Target(address=address, server_pid=pid, proxy_pid=None, tls=None)
            return
        socket = folder / "server.sock"
        _, pid = stack.enter_context(presage_process(store, *flags, "--host", f"unix:{socket}"))
        proxy = stack.enter_context(terminator(configuration, folder, socket))
        files = folder / "tls" / "cert.pem", folder / "tls" / "key.pem"
        yield Target(address=proxy.address, server_pid=pid, proxy_pid=proxy.pid, tls=files)


def make_certificate(folder: Path) -> None:
    """Make one for server and clients, signed by itself, in the folder's ``tls/``."""
    tls = folder / "tls"
    tls.mkdir()
    made = ("req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    named = ("-subj", "/CN=localhost", "-addext", "subjectAltName=DNS:localhost")
    files = ("-keyout", str(tls / "key.pem"), "-out", str(tls / "cert.pem"))
    subprocess.run(["openssl", *made, *named, *files], check=True, capture_output=True)
    (tls / "clients.pem").write_bytes((tls / "cert.pem").read_bytes())


def _resident_bytes(pid: int) -> int:
    for line in Path(f"/proc/{pid}/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) << 10
    return 0  # it has ended
