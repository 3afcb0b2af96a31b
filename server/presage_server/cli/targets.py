"""The options of commands that call a server over TLS."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from presage_server.errors import SettingsError

if TYPE_CHECKING:  # the help of a command needs no gRPC
    import grpc

__all__ = ["TargetCa", "TargetCert", "TargetKey", "open_channel"]

TargetCa = Annotated[
    str,
    typer.Option(
        envvar="PRESAGE_TARGET_CA",
        help="A PEM file of the authorities that may sign the server's certificate: the connection speaks TLS.",
    ),
]
TargetCert = Annotated[
    str, typer.Option(envvar="PRESAGE_TARGET_CERT", help="This client's certificate, if the server asks for one.")
]
TargetKey = Annotated[str, typer.Option(envvar="PRESAGE_TARGET_KEY", help="Its key, without a passphrase.")]


def open_channel(target: str, ca: str = "", cert: str = "", key: str = "") -> grpc.Channel:
    """Open a channel to a server; without files, in plain text.

    Raises:
        SettingsError: A file is missing or cannot be read.
    """
    import grpc  # noqa: PLC0415 - see above

    if not (ca or cert or key):
        return grpc.insecure_channel(target)
    if bool(cert) != bool(key):
        raise SettingsError("target_cert, target_key: expected both or neither")
    read = {name: _read(name, path) for name, path in (("target_ca", ca), ("target_cert", cert), ("target_key", key))}
    credentials = grpc.ssl_channel_credentials(read["target_ca"], read["target_key"], read["target_cert"])
    return grpc.secure_channel(target, credentials)


def _read(name: str, path: str) -> bytes | None:
    if not path:
        return None
    try:
        return Path(path).read_bytes()
    except OSError as error:
        raise SettingsError(f"{name}: {path} cannot be read: {error.strerror or error}") from error
