"""Where a server listens: HOST:PORT, or a unix socket."""

from __future__ import annotations

import ipaddress
import socket
import stat
from contextlib import suppress
from pathlib import Path

from presage_server.errors import SettingsError

__all__ = [
    "UNIX",
    "check_socket",
    "claim_socket",
    "http_host",
    "is_loopback",
    "is_unix",
    "join_address",
    "release_socket",
]

UNIX = "unix:"
"""What the address of a socket begins with, as gRPC writes it."""

_MAX_PATH_BYTES = 100
"""Linux takes 107 bytes, a Mac 103."""


def is_unix(host: str) -> bool:
    """Return whether a host is the path of a socket, such as ``unix:/run/presage/presage.sock``."""
    return host.startswith(UNIX)


def is_loopback(host: str) -> bool:
    """Return whether only this machine can connect to a host name, an address or a socket."""
    if is_unix(host):
        return True
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def join_address(host: str, port: int) -> str:
    """Return where to listen, as gRPC writes it: HOST:PORT, or a socket's address as it is."""
    if is_unix(host):
        return host
    return f"[{host}]:{port}" if host.count(":") > 1 else f"{host}:{port}"  # IPv6


def http_host(host: str) -> str:
    """Return the address on which HTTP is served beside a host: loopback beside a socket."""
    return "127.0.0.1" if is_unix(host) else host


def check_socket(host: str) -> None:
    """Check the path of a socket.

    Raises:
        SettingsError: It is not absolute, or too long.
    """
    path = host.removeprefix(UNIX)
    if not path.startswith("/") or path.startswith("//") or len(path.encode()) > _MAX_PATH_BYTES:
        raise SettingsError(
            f"host: expected unix: and an absolute path of at most {_MAX_PATH_BYTES} bytes, as in unix:/run/presage/presage.sock, "
            f"got {host!r}"
        )


def claim_socket(host: str) -> None:
    """Make room for a socket, where a server that was killed has left one.

    Raises:
        SettingsError: A server listens on it, something else has its path, or its folder is missing.
    """
    path = Path(host.removeprefix(UNIX))
    if not path.parent.is_dir():
        raise SettingsError(
            f"host: expected a folder for the socket {path}, but {path.parent} is not one; create it first"
        )
    try:
        if not stat.S_ISSOCK(path.lstat().st_mode):
            raise SettingsError(f"host: expected a socket or nothing at {path}, which is something else")
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX) as probe:
        try:
            probe.connect(str(path))
        except ConnectionRefusedError:
            path.unlink(missing_ok=True)
        except FileNotFoundError:
            pass
        except OSError as error:
            raise SettingsError(f"host: the socket {path} cannot be used: {error.strerror or error}") from error
        else:
            raise SettingsError(f"host: a server listens on {path} already")


def release_socket(host: str) -> None:
    """Remove the socket of a server that has ended."""
    with suppress(OSError):
        Path(host.removeprefix(UNIX)).unlink()
