"""Kinds of store URLs: one server, a primary that Sentinels know, or a cluster."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import StrEnum
from urllib.parse import parse_qsl, quote, urlencode

__all__ = ["STORE_SCHEMES", "STORE_URL_HELP", "StoreKind", "StoreUrl"]

STORE_SCHEMES = (
    "redis://",
    "rediss://",
    "unix://",
    "redis+sentinel://",
    "rediss+sentinel://",
    "redis+cluster://",
    "rediss+cluster://",
)
"""The schemes of a store's URL; ``rediss`` uses TLS."""

STORE_URL_HELP = (
    "redis://, rediss:// or unix://, redis+sentinel://SENTINEL,SENTINEL/NAME, or redis+cluster://SERVER,SERVER"
)
"""What the command line says of them."""

_PORTS = {"sentinel": 26379, "cluster": 6379}
_OF_SENTINELS = ("sentinel_username", "sentinel_password")


class StoreKind(StrEnum):
    """What a URL leads to."""

    SINGLE = "single"
    SENTINEL = "sentinel"
    CLUSTER = "cluster"


@dataclass(frozen=True, kw_only=True, slots=True)
class StoreUrl:
    """A URL taken apart."""

    kind: StoreKind
    url: str = field(repr=False)
    """What redis-py understands: how to talk to the server that holds the data. With Sentinels, its host and port mean nothing."""
    asked: tuple[str, ...] = field(default=(), repr=False)
    """URLs of the servers that know where that is: Sentinels, or some of the cluster's servers."""
    name: str = ""
    """What the Sentinels call the primary."""

    @classmethod
    def parse(cls, url: str) -> StoreUrl:
        """Take a URL apart.

        Raises:
            ValueError: It has no server, a Sentinel's has no name, or a cluster's has a database; the text shows no password.
        """
        scheme, _, rest = url.partition("://")
        plain, _, kind = scheme.partition("+")
        if not kind:
            return cls(kind=StoreKind.SINGLE, url=url)
        rest, _, query = rest.partition("?")
        authority, _, path = rest.partition("/")
        login, at, hosts = authority.rpartition("@")
        places = [_with_port(host, _PORTS[kind]) for host in hosts.split(",") if host]
        if not places:
            raise ValueError(f"expected {scheme}://HOST,HOST..., got no host")
        if kind == "cluster":
            if path not in {"", "0"}:
                raise ValueError("expected no database after the hosts, because a cluster has only database 0")
            urls = [f"{plain}://{login}{at}{place}{query and '?'}{query}" for place in places]
            return cls(kind=StoreKind.CLUSTER, url=urls[0], asked=tuple(urls))
        name, _, db = path.partition("/")
        if not name:
            raise ValueError(f"expected {scheme}://HOST,HOST/NAME, got no name after the Sentinels")
        options = dict(parse_qsl(query, keep_blank_values=True))
        user, password = (quote(options.pop(option, ""), safe="") for option in _OF_SENTINELS)
        query = urlencode(options)
        query = query and f"?{query}"
        login_of_sentinels = f"{user}:{password}@" if user or password else ""
        return cls(
            kind=StoreKind.SENTINEL,
            url=f"{plain}://{login}{at}{places[0]}/{db}{query}",
            asked=tuple(f"{plain}://{login_of_sentinels}{place}{query}" for place in places),
            name=name,
        )


def _with_port(host: str, port: int) -> str:
    bare = host.rpartition("]")[2]  # behind the brackets of an IPv6 address
    return host if ":" in bare else f"{host}:{port}"
