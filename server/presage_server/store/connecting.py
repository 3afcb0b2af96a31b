"""Connections to the store, made in a thread of their own: names resolved, TLS agreed, logged in, and checked to be a primary."""

from __future__ import annotations

import logging
import random
import re
import socket
import threading
import time
from typing import Any

from hiredis import ProtocolError, Reader

from presage_server.store.address import Address
from presage_server.store.resp import ReplyError, encode

__all__ = ["Connector", "NotPrimaryError"]

_logger = logging.getLogger(__name__)

_FIRST_PAUSE_SECONDS = 0.002
_LONGEST_PAUSE_SECONDS = 0.02
_NOT_PRIMARY_PAUSE_SECONDS = 1.0
"""The shortest pause before a name that led to a replica is resolved again; the longest is twice as long."""
_ASKED_AGAIN_SECONDS = 0.1
"""The same where another service is asked that should know soon, such as Sentinels."""
_STEADY_SECONDS = 1.0
"""A connection that lasted this long was a good one: the next one is made without a pause."""

_RUN_ID = re.compile(rb"^run_id:(\w+)", re.MULTILINE)


class NotPrimaryError(ConnectionError):
    """The server is a replica: it would answer reads with old states and reject every write."""

    def __init__(self) -> None:
        super().__init__("the store is a replica, not a primary; the primary is looked for")


class Connector:
    """Makes one connection at a time, and tries again until it succeeds. Every method but ``connect`` returns at once.

    Args:
        address: Where to connect to; its name is resolved for every attempt.
    """

    def __init__(self, address: Address) -> None:
        self._address = address
        self._thread: threading.Thread | None = None
        self._made: socket.socket | None = None
        self._done = threading.Event()
        self._closed = threading.Event()
        self._connected_at = 0.0
        self._failures = 0
        self.failure: Exception | None = None
        """Why the last attempt failed; None if it did not."""
        self.run_id = b""
        """The process that the last connection leads to, by the id that it gave itself; empty if it does not say."""

    def connect(self, timeout_seconds: float) -> socket.socket:
        """Connect once, and wait for it.

        Raises:
            OSError, ValueError, ReplyError: It cannot be done.
        """
        connection = self._address.connect(timeout_seconds)
        try:
            self.run_id = _greet(connection, self._address)
        except BaseException:
            connection.close()
            raise
        connection.setblocking(False)
        self._connected_at = time.monotonic()
        return connection

    def start(self) -> None:
        """Begin to connect, unless that is being done already."""
        if self._thread is None and not self._closed.is_set():
            self._done.clear()
            self._thread = threading.Thread(target=self._run, name="presage-connect", daemon=True)
            self._thread.start()

    def take(self, wait_seconds: float = 0.0) -> socket.socket | None:
        """Return the connection that was made since ``start``, non-blocking and ready for commands; None: not yet."""
        if self._thread is None or not (self._done.wait(wait_seconds) if wait_seconds else self._done.is_set()):
            return None
        self._thread.join()
        self._thread = None
        made, self._made = self._made, None
        return made

    def close(self) -> None:
        """Stop trying."""
        self._closed.set()
        thread, self._thread = self._thread, None
        if thread is not None:
            thread.join(self._address.connect_seconds + 1.0)
        if self._made is not None:
            self._made.close()

    def _run(self) -> None:
        try:
            if isinstance(self.failure, NotPrimaryError) or time.monotonic() - self._connected_at < _STEADY_SECONDS:
                self._failures += 1  # do not reconnect in a tight loop to a server that hangs up at once
                self._pause()
            else:
                self._failures = 0
            while not self._closed.is_set():
                try:
                    self._made = self.connect(self._address.connect_seconds)
                except Exception as error:  # noqa: BLE001 - whatever it was, the next attempt may succeed
                    if self.failure is None or type(error) is not type(self.failure):
                        _logger.warning("the store cannot be connected to: %s", str(error) or type(error).__name__)
                    self.failure = error
                    self._failures += 1
                    self._pause()
                else:
                    self.failure = None
                    return
        finally:
            self._done.set()

    def _pause(self) -> None:
        if isinstance(self.failure, NotPrimaryError):
            seconds = 2 * (_NOT_PRIMARY_PAUSE_SECONDS if self._address.find is None else _ASKED_AGAIN_SECONDS)
        else:
            seconds = min(_LONGEST_PAUSE_SECONDS, _FIRST_PAUSE_SECONDS * 2 ** min(self._failures - 1, 10))
        self._closed.wait(seconds * random.uniform(0.5, 1.0))  # noqa: S311 - so that servers do not connect in step


def _greet(connection: socket.socket, address: Address) -> bytes:
    """Log in, check the server's role, and return its run id.

    Raises:
        ReplyError: The login was rejected.
        NotPrimaryError: The server is a replica.
        OSError: The server hung up or did not answer in time.
    """
    login = address.login()
    commands = [*login, address.handshake(), encode("INFO", "server"), encode("ROLE")]
    connection.sendall(b"".join(commands))
    reader = Reader()
    replies: list[Any] = []
    while len(replies) < len(commands):
        data = connection.recv(4_096)
        if not data:
            raise ConnectionResetError("the store ended the connection at once")
        reader.feed(data)
        try:
            while (reply := reader.gets()) is not False:
                replies.append(reply)
        except ProtocolError as error:
            raise ConnectionError("what listens there does not speak the Redis protocol") from error
    for reply in replies[: len(login)]:
        if isinstance(reply, ReplyError):
            raise reply
    role = replies[-1]
    if isinstance(role, list) and role[:1] != [b"master"]:
        raise NotPrimaryError
    found = _RUN_ID.search(replies[-2]) if isinstance(replies[-2], bytes) else None
    return found[1] if found else b""
