"""Transports: what carries gRPC's bytes. The servicers are the same with each.

``grpcio`` is grpc.aio, portable and the reference. ``native`` is pygrpc-native: the same interface, with HTTP/2 and gRPC's framing
in Rust, outside the interpreter's lock. ``auto`` takes ``native`` where it is installed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from importlib.util import find_spec
from typing import Any

import grpc

from presage_server.errors import SettingsError
from presage_server.pipeline.admission import Admission
from presage_server.telemetry.metrics import Metrics

__all__ = ["choose_transport", "make_server"]

_MISSING = "pygrpc-native is not installed (pip install 'presage[native]')"


def choose_transport(
    asked: str, *, installed: Callable[[], bool] = lambda: find_spec("pygrpc_native") is not None
) -> tuple[str, str]:
    """Choose what carries the calls.

    Args:
        asked: ``auto``, ``grpcio`` or ``native``.
        installed: Tells whether pygrpc-native is.

    Returns:
        ``grpcio`` or ``native``, and why.

    Raises:
        SettingsError: ``native`` was asked for and is not installed.
    """
    if asked == "grpcio":
        return "grpcio", "asked for"
    if installed():
        return "native", "asked for" if asked == "native" else "installed, and no setting needs another"
    if asked == "native":
        raise SettingsError(f"transport: expected native to be there, but {_MISSING}")
    return "grpcio", _MISSING


def make_server(
    transport: str,
    options: Sequence[tuple[str, Any]],
    *,
    metrics: Metrics,
    admission: Admission,
    io_threads: int = 1,
) -> grpc.aio.Server:
    """Make a server that is not started yet.

    Args:
        transport: ``grpcio`` or ``native``.
        options: gRPC's channel arguments.
        metrics: Counts the calls that are refused before they are begun.
        admission: Decides which calls are begun; ``native`` alone can refuse others at little cost.
        io_threads: How many threads ``native`` reads and writes connections with.

    Raises:
        SettingsError: The transport cannot do what an option asks for.
    """
    if transport == "grpcio":
        return grpc.aio.server(options=options)
    from presage_server.transport.native import NativeServer  # noqa: PLC0415 - needs an extra

    try:
        return NativeServer(options=options, metrics=metrics, admission=admission, io_threads=io_threads)
    except (ValueError, NotImplementedError) as error:
        raise SettingsError(f"transport: native cannot do what is asked for: {error}; take grpcio") from error
