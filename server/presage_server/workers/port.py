"""The port that all workers listen on."""

from __future__ import annotations

import errno
import socket
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager

from presage_server.errors import SettingsError

__all__ = ["reserved_port"]

_NOT_ON_THIS_MACHINE = {errno.EADDRNOTAVAIL, errno.EAFNOSUPPORT}


@contextmanager
def reserved_port(host: str, port: int) -> Iterator[int]:
    """Reserve a port that workers can share while the context lasts; this process does not listen on it.

    Args:
        host: The address to listen on.
        port: The port; 0 picks a free one.

    Yields:
        The port.

    Raises:
        SettingsError: Somebody listens on it already, or the address is not this machine's.
    """
    with ExitStack() as stack:
        try:
            held = _hold(host, port, stack)
        except OSError as error:
            raise SettingsError(
                f"port: cannot listen on {host}:{port}; is it taken, or the host not this machine's? ({error})"
            ) from error
        yield held


def _hold(host: str, port: int, stack: ExitStack) -> int:
    """Bind the port on every address that the host has here, as gRPC will."""
    refused: OSError | None = None
    bound = False
    for family, kind, protocol, _, address in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM):
        try:
            if port:
                with socket.socket(family, kind, protocol) as alone:
                    # Not shared, so that it fails if anybody listens; but not for connections that a last server left behind.
                    alone.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                    alone.bind((address[0], port, *address[2:]))
            shared = stack.enter_context(socket.socket(family, kind, protocol))
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            shared.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
            shared.bind((address[0], port, *address[2:]))
        except OSError as error:
            if error.errno not in _NOT_ON_THIS_MACHINE:
                raise
            refused = error
        else:
            port, bound = int(shared.getsockname()[1]), True
    if not bound:
        raise refused or OSError(errno.EADDRNOTAVAIL, "no such address")
    return port
