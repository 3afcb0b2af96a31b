"""Where the store listens, and how one gets in: what redis-py understands of a URL, for connections that are not redis-py's."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, TypeVar

from redis.asyncio import Redis

from presage_server.store.resp import encode

__all__ = ["Address"]

P = TypeVar("P", bound=asyncio.Protocol)

_CONNECT_SECONDS = 5.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Address:
    """One Redis-protocol server, and who one is there."""

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
    """Whom to log in as; empty: the default user."""
    password: str = field(default="", repr=False)
    """The password; empty, and no username either: no login."""
    db: int = 0
    """The database's number."""
    client_name: str = ""
    """What the server's list of connections shows."""
    connect_seconds: float = _CONNECT_SECONDS
    """How long it may take until a connection can be used."""

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

    async def open(self, make_protocol: Callable[[], P]) -> P:
        """Connect.

        Raises:
            OSError: Nobody listens there, or TLS cannot be agreed upon.
        """
        loop = asyncio.get_running_loop()
        if self.path:
            _, protocol = await loop.create_unix_connection(make_protocol, self.path)
            return protocol
        transport, protocol = await loop.create_connection(make_protocol, self.host, self.port, ssl=self.tls)
        if self.socket_options is not None:  # so that the end of a silent host is noticed while nothing is asked of it
            tcp = transport.get_extra_info("socket")
            tcp.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
            for option, value in self.socket_options.items():
                tcp.setsockopt(socket.IPPROTO_TCP, option, value)
        return protocol

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

    def introduction(self) -> bytes:
        """Make a command that a server answers with anything at all, even if it refuses it: it tells that it is there."""
        return encode("CLIENT", "SETNAME", self.client_name) if self.client_name else encode("PING")
