"""Which transport carries the calls.

``grpcio`` is portable and the reference. ``native`` is pygrpc-native, with HTTP/2 and gRPC framing in Rust. ``auto``
takes ``native`` where it is installed, of a known version, and safe where the server listens.
"""

from __future__ import annotations

import logging
from collections.abc import Callable, Sequence
from importlib.metadata import PackageNotFoundError, version

import grpc

from presage_server.errors import SettingsError
from presage_server.settings import Settings
from presage_server.transport.addresses import is_loopback
from presage_server.transport.interface import Admits, ServerOptions, Transport

__all__ = ["choose_transport", "make_transport", "native_version"]

_logger = logging.getLogger(__name__)

_NATIVE_SERIES = "0.5."
"""The series of pygrpc-native that Presage is tested with; pyproject.toml has the same bound."""
_GRPCIO_SERIES = "1.85."
"""The series of grpcio whose completion queue, which is not public, Presage is tested with; pyproject.toml has the same bound."""
_INFLATES = (
    "it inflates compressed requests of any size; trusted_clients says that a proxy or trusted clients stand in front"
)


def choose_transport(
    settings: Settings, *, installed: Callable[[], str] | None = None, grpcio: str = grpc.__version__
) -> tuple[str, str]:
    """Choose what carries the calls.

    Args:
        settings: Which transport is wanted, and where it listens.
        installed: Returns the version of pygrpc-native; empty if it is not installed.
        grpcio: The version of grpcio.

    Returns:
        ``grpcio`` or ``native``, and why.

    Raises:
        SettingsError: What is wanted cannot be used.
    """
    if settings.transport == "grpcio":
        return _checked_grpcio(grpcio, "as set")
    obstacle = _obstacle(settings, (installed or native_version)())
    if not obstacle:
        return "native", "as set" if settings.transport == "native" else "pygrpc-native is installed"
    if settings.transport == "native":
        raise SettingsError(f"transport: native cannot be used: {obstacle}")
    return _checked_grpcio(grpcio, f"native cannot be used: {obstacle}")


def make_transport(
    name: str, options: ServerOptions, paths: Sequence[str], server: grpc.aio.Server, admits: Admits | None = None
) -> Transport:
    """Make a transport that is not started yet; the server is its fallback for all methods without a path here."""
    if name == "grpcio":
        from presage_server.transport.grpcio import GrpcioTransport  # noqa: PLC0415 - one of the two is needed

        return GrpcioTransport(options, paths, server, admits=admits)
    from presage_server.transport.native import NativeTransport  # noqa: PLC0415 - needs an extra

    return NativeTransport(options, paths, server, admits=admits)


def native_version() -> str:
    """Return the version of pygrpc-native; empty if it is not installed."""
    try:
        return version("pygrpc-native")
    except PackageNotFoundError:
        return ""


def _checked_grpcio(installed: str, reason: str) -> tuple[str, str]:
    if not installed.startswith(_GRPCIO_SERIES):
        raise SettingsError(
            f"transport: grpcio cannot be used: grpcio {installed} is installed, Presage is tested with {_GRPCIO_SERIES}x "
            f"(pip install 'presage-scoring[server]' installs it); chosen because: {reason}"
        )
    return "grpcio", reason


def _obstacle(settings: Settings, installed: str) -> str:
    if not installed:
        return "pygrpc-native is not installed (pip install 'presage-scoring[native]')"
    if not installed.startswith(_NATIVE_SERIES):
        return f"pygrpc-native {installed} is installed, Presage is tested with {_NATIVE_SERIES}x"
    if settings.tls_cert:
        return "it has no TLS; for both, have a proxy speak TLS in front of it (docs/how-to/secure-a-server.md)"
    if not is_loopback(settings.host) and not settings.trusted_clients:
        return f"on {settings.host}, {_INFLATES}"
    return ""
