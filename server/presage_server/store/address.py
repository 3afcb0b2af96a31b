"""Connection parameters and credentials of the store: what redis-py understands of a URL, for connections of our own."""

from __future__ import annotations

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from redis.asyncio import Redis
from redis.exceptions import RedisError

from presage_server.store.finding import Find
from presage_server.store.resp import encode

__all__ = ["Address"]

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """One Redis-protocol server, and the credentials for it."""

    path: str = ""
    """Its unix socket; empty: host and port."""
    host: str = "localhost"
    """Its name or address."""
    port: int = 6379
    """Its port."""
    tls: ssl.SSLContext | None = None
    """How to encrypt; None: not at all."""
    socket_options: Mapping[int, int | bytes] | None = None
    """TCP's keep-alive settings; None: no keep-alive."""
    username: str = ""
    """The user to log in as; empty: the default user."""
    password: str = field(default="", repr=False)
    """The password; empty, and no username either: no login."""
    db: int = 0
    """The database's number."""
    client_name: str = ""
    """What the server's list of connections shows."""
    connect_seconds: float = _CONNECT_SECONDS
    """How long it may take until a connection can be used."""
    find: Find | None = field(default=None, repr=False)
    """Says where to connect to, each time; None: always to the same place."""

    @classmethod
    def of(cls, client: Redis) -> Address:
        """Find out where a redis-py client connects to.

        Raises:
            TypeError, ValueError, OSError, RedisError: The client's URL has options that cannot work.
        """
        pool: Any = client.connection_pool  # its methods have no types
        connection = pool.make_connection()
        if path := getattr(connection, "path", ""):
            place: dict[str, Any] = {"path": path}
        else:
            context = getattr(connection, "ssl_context", None)
            place = {
                "host": connection.host,
                "port": connection.port,
                "tls": context.get() if context is not None else None,
                "socket_options": connection.socket_keepalive_options if connection.socket_keepalive else None,
            }
        return cls(
            **place,
            username=connection.username or "",
            password=connection.password or "",
            db=int(connection.db),
            client_name=connection.client_name or "",
            connect_seconds=connection.socket_connect_timeout or _CONNECT_SECONDS,
        )

    def connect(self, timeout_seconds: float) -> socket.socket:
        """Connect, blocking; with TLS where the address asks for it.

        Raises:
            OSError: Nothing listens there in time, nobody knows where, or TLS cannot be agreed upon.
        """
        if self.path:
            connection = socket.socket(socket.AF_UNIX)
            connection.settimeout(timeout_seconds)
            try:
                connection.connect(self.path)
            except BaseException:
                connection.close()
                raise
            return connection
        host, port = self.host, self.port
        if self.find is not None:
            try:
                host, port = self.find()
            except RedisError as error:
                raise ConnectionError(str(error)) from error
        connection = socket.create_connection((host, port), timeout_seconds)
        try:
            connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.socket_options is not None:  # so that a silent host's end is noticed while nothing is asked of it
                connection.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
                for option, value in self.socket_options.items():
                    connection.setsockopt(socket.IPPROTO_TCP, option, value)
            if self.tls is not None:
                return self.tls.wrap_socket(connection, server_hostname=host)
        except BaseException:
            connection.close()
            raise
        return connection

    def login(self) -> list[bytes]:
        """Make the commands without which the connection cannot be used."""
        commands = []
        if self.username:
            commands.append(encode("AUTH", self.username, self.password))
        elif self.password:
            commands.append(encode("AUTH", self.password))
        if self.db:
            commands.append(encode("SELECT", self.db))
        return commands

    def handshake(self) -> bytes:
        """Return a command that any server answers, even if only with an error."""
        return encode("CLIENT", "SETNAME", self.client_name) if self.client_name else encode("PING")
