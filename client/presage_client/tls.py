"""TLS credentials from files."""

from __future__ import annotations

import os
from pathlib import Path

import grpc

__all__ = ["tls_credentials"]


def tls_credentials(
    ca_file: str | os.PathLike[str] | None = None,
    *,
    cert_file: str | os.PathLike[str] | None = None,
    key_file: str | os.PathLike[str] | None = None,
) -> grpc.ChannelCredentials:
    """Read PEM files, for ``ClientOptions(credentials=...)``; they are read once, so a new certificate needs a new client.

    Args:
        ca_file: The authorities that may sign the server's certificate; None: those that gRPC trusts by itself.
        cert_file: This client's certificate, where the server asks for one, with those between it and its root behind it.
        key_file: Its key, without a passphrase.

    Raises:
        ValueError: Only one of ``cert_file`` and ``key_file`` is given, or a file is not in PEM format; the message names it.
        OSError: A file cannot be read.
    """
    if (cert_file is None) != (key_file is None):
        given, missing = ("key_file", "cert_file") if cert_file is None else ("cert_file", "key_file")
        raise ValueError(f"{missing}: expected a PEM file beside {given}, got None")
    return grpc.ssl_channel_credentials(
        _read("ca_file", ca_file), _read("key_file", key_file), _read("cert_file", cert_file)
    )


def _read(name: str, path: str | os.PathLike[str] | None) -> bytes | None:
    if path is None:
        return None
    text = Path(path).read_bytes()
    if b"-----BEGIN " not in text:
        raise ValueError(f"{name}: expected a file in PEM format, got {os.fspath(path)!r}")
    return text
