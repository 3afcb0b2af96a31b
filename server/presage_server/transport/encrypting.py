"""Whether connections speak TLS, and what the log says of it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import grpc
from prometheus_client import CollectorRegistry

from presage_server.clock import system_clock
from presage_server.settings import Settings
from presage_server.transport.addresses import is_loopback
from presage_server.transport.certificate_files import TlsFiles
from presage_server.transport.certificates import Certificates

__all__ = ["encrypting"]

_logger = logging.getLogger(__name__)


@contextmanager
def encrypting(settings: Settings, registry: CollectorRegistry) -> Iterator[grpc.ServerCredentials | None]:
    """Follow the certificate's files for as long as the context lasts, in the running event loop.

    Yields:
        The credentials of the port; None: it is served in plain text.

    Raises:
        SettingsError: The files cannot be served.
    """
    if not settings.tls_cert:
        if not is_loopback(settings.host):
            _logger.warning("nothing is encrypted on %s: insecure is set", settings.host)
        yield None
        return
    files = TlsFiles(
        chain=Path(settings.tls_cert),
        key=Path(settings.tls_key),
        client_ca=Path(settings.tls_client_ca) if settings.tls_client_ca else None,
    )
    certificates = Certificates(files, system_clock)
    registry.register(certificates)
    following = asyncio.create_task(certificates.follow())
    try:
        yield certificates.credentials()
    finally:
        following.cancel()
