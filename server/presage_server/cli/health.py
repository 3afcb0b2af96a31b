"""``presage health``: whether a server serves, for what starts and watches it."""

from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import Annotated

import typer

from presage_server.cli.options import checked_token
from presage_server.cli.targets import TlsCa, TlsCert, TlsKey, open_channel
from presage_server.errors import SettingsError

__all__ = ["health"]

_DEFAULT_PORT = "50051"


def health(
    target: Annotated[
        str,
        typer.Argument(
            help="HOST:PORT or unix:/PATH; otherwise what `presage serve` listens on here, going by PRESAGE_HOST and PRESAGE_PORT.",
            show_default=False,
        ),
    ] = "",
    *,
    service: Annotated[str, typer.Option(help="Ask about one service; empty: about the whole server.")] = "",
    timeout_seconds: Annotated[float, typer.Option(min=0.01, max=600, help="Longest wait for the answer.")] = 2.0,
    tls_ca: TlsCa = "",
    tls_cert: TlsCert = "",
    tls_key: TlsKey = "",
    tls_name: Annotated[str, typer.Option(help="The name in that certificate, if it is not that of the target.")] = "",
    token: Annotated[
        str,
        typer.Option(
            envvar="PRESAGE_TOKEN",
            callback=checked_token,
            help="For a server whose health needs a token.",
            show_envvar=True,
        ),
    ] = "",
) -> None:
    """Check whether a server serves: exit code 0 if it does, 1 if it does not or does not answer.

    It says that the process answers, not that its store does. For the health checks of containers and service managers;
    orchestrators that speak gRPC's health protocol need no command. Where PRESAGE_TLS_CERT and PRESAGE_TLS_KEY name the server's
    own files, it is asked over TLS, and trusted by that very certificate.
    """
    import grpc  # noqa: PLC0415 - the help of commands needs no gRPC
    from grpc_health.v1 import health_pb2, health_pb2_grpc  # noqa: PLC0415

    from presage_server.transport.certificate_files import CertificateError  # noqa: PLC0415

    metadata = (("authorization", f"Bearer {token}"),) if token else ()
    is_ours, target = not target, target or _own_address()
    try:
        if is_ours and not tls_ca:
            tls_ca, tls_name = _own_certificate()
        with open_channel(target, tls_ca, tls_cert, tls_key, name=tls_name) as channel:
            stub = health_pb2_grpc.HealthStub(channel)
            request = health_pb2.HealthCheckRequest(service=service)
            answer = stub.Check(request, timeout=timeout_seconds, metadata=metadata)
    except (CertificateError, SettingsError) as error:
        problem = str(error)
    except grpc.RpcError as error:
        problem = f"{error.code().name}: {error.details()}"
    else:
        if answer.status == health_pb2.HealthCheckResponse.SERVING:
            return
        problem = health_pb2.HealthCheckResponse.ServingStatus.Name(answer.status)
    sys.stderr.write(f"presage health: {target}: {problem}\n")
    sys.exit(1)


def _own_certificate() -> tuple[str, str]:
    """Return the file of this server's certificate, and a name in it; both are empty where it speaks plain text.

    Raises:
        CertificateError: It cannot be read, or is not one that can be served.
    """
    from presage_server.transport.certificate_files import TlsFiles  # noqa: PLC0415

    cert, key = os.environ.get("PRESAGE_TLS_CERT", ""), os.environ.get("PRESAGE_TLS_KEY", "")
    if not cert:
        return "", ""
    names = TlsFiles(chain=Path(cert), key=Path(key), client_ca=None).read().subject
    return cert, names.partition(", ")[0].replace("*.", "presage.")


def _own_address() -> str:
    """Return what a server with these variables listens on, as it is reached from this machine."""
    host, port = os.environ.get("PRESAGE_HOST", ""), os.environ.get("PRESAGE_PORT", "")
    if host.startswith("unix:"):
        return host
    if host in {"", "0.0.0.0", "::"}:  # noqa: S104 - all addresses, and so this machine's
        host = "localhost"
    elif ":" in host:
        host = f"[{host}]"
    # A Kubernetes service that is called presage sets the variable to something else.
    return f"{host}:{port if port.isdecimal() else _DEFAULT_PORT}"
