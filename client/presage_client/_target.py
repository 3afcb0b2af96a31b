"""Where a server is, as a client is given it."""

from __future__ import annotations

import re
from typing import Any, Final

from presage_client._checks import check_text

__all__ = ["DEFAULT_PORT", "full_target"]

DEFAULT_PORT: Final = 50_051
"""The port of ``presage serve``."""

# The schemes of https://github.com/grpc/grpc/blob/master/doc/naming.md whose rest has no default port, or needs none.
_OTHER_SCHEME = re.compile(r"(ipv4|ipv6|unix|unix-abstract|vsock|xds|google-c2p):")
_DNS = re.compile(r"(?P<scheme>dns:(//[^/]*/)?)?(?P<address>.*)", re.DOTALL)
_URL = re.compile(r"https?://", re.IGNORECASE)


def full_target(target: Any) -> str:
    """Return a target with the default port, unless it has a port or needs none.

    Raises:
        TypeError: It is not a string.
        ValueError: It has no host, an empty port, or is a URL.
    """
    check_text("target", target)
    if _OTHER_SCHEME.match(target):
        return str(target)
    if _URL.match(target):
        raise ValueError(
            f"target: expected HOST or HOST:PORT, got the URL {target!r}; TLS is chosen by options.credentials"
        )
    parts = _DNS.fullmatch(target)
    assert parts is not None  # it matches any string
    scheme, address = parts["scheme"] or "", parts["address"]
    host, colon, port = address.rpartition(":")
    if address.startswith("[") and address.endswith("]"):  # IPv6 without a port
        return f"{scheme}{address}:{DEFAULT_PORT}"
    if address.count(":") > 1 and not address.startswith("["):  # IPv6 without brackets, and so without a port
        return f"{scheme}[{address}]:{DEFAULT_PORT}"
    if not (host if colon else address) or (colon and not port):
        raise ValueError(f"target: expected HOST or HOST:PORT, got {target!r}")
    return target if colon else f"{target}:{DEFAULT_PORT}"
