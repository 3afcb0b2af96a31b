"""The options of commands that call a server over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from presage_server.errors import SettingsError

if TYPE_CHECKING:  # the help of a command needs no gRPC
    import grpc

__all__ = ["TlsCa", "TlsCert", "TlsKey", "open_channel"]

TlsCa = Annotated[
    str,
    typer.Option(
        envvar="PRESAGE_TARGET_TLS_CA",
        help="A PEM file of the authorities that may sign the server's certificate: the connection speaks TLS.",
    ),
]
TlsCert = Annotated[
    str, typer.Option(envvar="PRESAGE_TARGET_TLS_CERT", help="This client's certificate, if the server asks for one.")
]
TlsKey = Annotated[str, typer.Option(envvar="PRESAGE_TARGET_TLS_KEY", help="Its key, without a passphrase.")]


def open_channel(target: str, ca: str, cert: str, key: str, *, name: str = "") -> grpc.Channel:
    """Open a channel to a server; without files, in plain text. A name is that in its certificate, if it is not the target's.

    Raises:
        SettingsError: A file is missing or cannot be read.
    """
    import grpc  # noqa: PLC0415 - see above

    if not (ca or cert or key):
        return grpc.insecure_channel(target)
    if bool(cert) != bool(key):
        raise SettingsError("tls_cert, tls_key: expected both or neither")
    read = {name: _read(name, path) for name, path in (("tls_ca", ca), ("tls_cert", cert), ("tls_key", key))}
    credentials = grpc.ssl_channel_credentials(read["tls_ca"], read["tls_key"], read["tls_cert"])
    options = [("grpc.ssl_target_name_override", name)] if name else []
    return grpc.secure_channel(target, credentials, options)


def _read(name: str, path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {path} cannot be read: {error.strerror or error}") from error
