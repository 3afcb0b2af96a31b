"""``python -m benchmarks.floods.sending``: floods a server for some seconds, on as many connections as the flood has."""

from __future__ import annotations

import argparse
import socket
import ssl
import struct
import threading
from contextlib import suppress
from time import monotonic, sleep

from benchmarks.floods.kinds import FLOODS, OPENING, SETTINGS_ACK, Chunks

__all__ = ["main"]

_AGAIN_SECONDS = 0.05
"""Before a connection that was closed is opened again."""
_HOLD_SECONDS, _WINDOW_SECONDS = 0.02, 0.0005
_HEAD_BYTES = 9
_SETTINGS, _WINDOW_UPDATE, _INITIAL_WINDOW_SIZE = 4, 8, 4


class _Count:
    def __init__(self) -> None:
        self.closed = 0
        """Connections that the server has closed or refused."""
        self.sent_bytes = 0


def main(arguments: list[str] | None = None) -> int:
    """Print a line as it begins, flood, and print how many connections were closed and how many bytes were sent."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floods.sending")
    parser.add_argument("address", help="HOST:PORT")
    parser.add_argument("flood", choices=list(FLOODS))
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--tls", nargs=2, metavar=("CERT", "KEY"), help="speak TLS, with this certificate")
    given = parser.parse_args(arguments)
    flood, found = FLOODS[given.flood], _Count()
    chunks = flood.chunks()
    context = None if given.tls is None else _client_context(*given.tls)
    print("flooding", flush=True)
    until = monotonic() + given.seconds
    threads = [
        threading.Thread(
            target=_flood, args=(given.address, context, chunks, flood.keeps_to_windows, until, found), daemon=True
        )
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


class _Windows:
    """How much more data the server takes, of the connection and of its first stream."""

    def __init__(self) -> None:
        self._connection = self._stream = self._initial = 65_535
        self._unread = b""

    def spend(self, data_bytes: int) -> bool:
        """Return whether this much may be sent, and count it."""
        if min(self._connection, self._stream) < data_bytes:
            return False
        self._connection -= data_bytes
        self._stream -= data_bytes
        return True

    def take(self, received: bytes) -> bytes:
        """Read the frames that have come; return what has to be sent for them."""
        before = self._initial
        unread = self._unread + received
        while len(unread) >= _HEAD_BYTES:
            end = _HEAD_BYTES + int.from_bytes(unread[:3], "big")
            if len(unread) < end:
                break
            self._take_frame(unread[3], int.from_bytes(unread[5:9], "big"), unread[_HEAD_BYTES:end])
            unread = unread[end:]
        self._unread = unread
        return SETTINGS_ACK if self._initial != before else b""

    def _take_frame(self, kind: int, stream: int, payload: bytes) -> None:
        if kind == _WINDOW_UPDATE and stream == 0:
            self._connection += int.from_bytes(payload, "big")
        elif kind == _WINDOW_UPDATE:
            self._stream += int.from_bytes(payload, "big")
        elif kind == _SETTINGS:
            for name, value in struct.iter_unpack(">HI", payload):
                if name == _INITIAL_WINDOW_SIZE:
                    self._stream += value - self._initial
                    self._initial = value


def _flood(  # noqa: PLR0917 - a thread's
    address: str,
    context: ssl.SSLContext | None,
    chunks: Chunks,
    keeps_to_windows: bool,  # noqa: FBT001
    until: float,
    found: _Count,
) -> None:
    while monotonic() < until:
        try:
            with _connect(address, context) as connection:
                _send_all(connection, chunks, _Windows() if keeps_to_windows else None, until, found)
        except OSError:
            found.closed += 1
            sleep(_AGAIN_SECONDS)


def _connect(address: str, context: ssl.SSLContext | None) -> socket.socket:
    host, _, port = address.rpartition(":")
    # From an address of its own, for proxies limit the connections of each.
    plain = socket.create_connection((host, int(port)), timeout=2.0, source_address=("127.0.0.2", 0))
    return plain if context is None else context.wrap_socket(plain)


def _send_all(connection: socket.socket, chunks: Chunks, windows: _Windows | None, until: float, found: _Count) -> None:
    connection.sendall(OPENING)
    number = 0
    while (left := until - monotonic()) > 0:
        received = _receive(connection)
        if windows is not None:
            connection.settimeout(left)
            connection.sendall(windows.take(received))
        chunk = chunks(number)
        if not chunk or (windows is not None and not windows.spend(len(chunk))):
            sleep(_HOLD_SECONDS if not chunk else _WINDOW_SECONDS)
            continue
        number += 1
        connection.settimeout(left)
        with suppress(TimeoutError):
            connection.sendall(chunk)
        found.sent_bytes += len(chunk)


def _receive(connection: socket.socket) -> bytes:
    """Return what has come, so that it is not the server that waits.

    Raises:
        OSError: The server has closed.
    """
    connection.settimeout(0.0)
    received = b""
    try:
        while more := connection.recv(1 << 16):
            received += more
    except (BlockingIOError, ssl.SSLWantReadError):
        return received
    raise ConnectionResetError


if __name__ == "__main__":
    raise SystemExit(main())
