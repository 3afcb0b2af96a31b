"""``python -m benchmarks.floods.sending``: floods a server for some seconds, on as many connections as the flood has."""

from __future__ import annotations

import argparse
import socket
import ssl
import threading
from contextlib import suppress
from time import monotonic, sleep

from benchmarks.floods.kinds import FLOODS, OPENING, Flood

__all__ = ["main"]

_AGAIN_SECONDS = 0.05
"""Before a connection that was closed is opened again."""
_HOLD_SECONDS = 0.02


class _Count:
    def __init__(self) -> None:
        self.closed = 0
        """Connections that the server has closed or refused."""
        self.sent_bytes = 0


def main(arguments: list[str] | None = None) -> int:
    """Flood, and print how many connections were closed and how many bytes were sent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floods.sending")
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("flood", choices=list(FLOODS))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS, with this certificate")
    given = parser.parse_args(arguments)
    flood, found, until = FLOODS[given.flood], _Count(), monotonic() + given.seconds
    context = None if given.tls is None else _client_context(*given.tls)
    threads = [
        threading.Thread(target=_flood, args=(given.address, context, flood, until, found), daemon=True)
        for _ in range(flood.connections)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(given.seconds * 3)
    print(found.closed, found.sent_bytes)
    return 0


def _client_context(cert: str, key: str) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
    context.load_cert_chain(cert, key)
    context.set_alpn_protocols(["h2"])
    return context


def _flood(address: str, context: ssl.SSLContext | None, flood: Flood, until: float, found: _Count) -> None:
    chunks = flood.chunks()
    while monotonic() < until:
        try:
            with _connect(address, context) as connection:
                _send_all(connection, chunks, until, found)
        except OSError:
            found.closed += 1
            sleep(_AGAIN_SECONDS)


def _connect(address: str, context: ssl.SSLContext | None) -> socket.socket:
    host, _, port = address.rpartition(":")
    # From an address of its own, for proxies limit the connections of each.
    plain = socket.create_connection((host, int(port)), timeout=2.0, source_address=("127.0.0.2", 0))
    return plain if context is None else context.wrap_socket(plain)


def _send_all(connection: socket.socket, chunks, until: float, found: _Count) -> None:
    connection.sendall(OPENING)
    number = 0
    while (left := until - monotonic()) > 0:
        chunk = chunks(number)
        number += 1
        _read_all(connection)
        if chunk:
            connection.settimeout(left)
            with suppress(TimeoutError):
                connection.sendall(chunk)
            found.sent_bytes += len(chunk)
        else:
            sleep(_HOLD_SECONDS)


def _read_all(connection: socket.socket) -> None:
    """Take what has come, so that it is not the server that waits.

    Raises:
        OSError: The server has closed.
    """
    connection.settimeout(0.0)
    try:
        while connection.recv(1 << 16):
            pass
    except (BlockingIOError, ssl.SSLWantReadError):
        return
    raise ConnectionResetError


if __name__ == "__main__":
    raise SystemExit(main())
