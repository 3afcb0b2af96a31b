"""The certificate that a server shows, followed on disk: a new one is served without a restart, a broken one is reported."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterable
from datetime import UTC, datetime

import grpc
from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from presage_server.clock import Clock
from presage_server.errors import SettingsError
from presage_server.transport.certificate_files import Certificate, CertificateError, TlsFiles

__all__ = ["Certificates"]

_logger = logging.getLogger(__name__)

_LOOK_SECONDS = 1.0


class Certificates(Collector):
    """Reads the files, and makes the credentials of a port; the metrics say until when the certificate is valid.

    Args:
        files: Where they are.
        clock: Says whether the certificate has expired.

    Raises:
        SettingsError: They cannot be served.
    """

    def __init__(self, files: TlsFiles, clock: Clock) -> None:
        self._files = files
        self._clock = clock
        self._seen = self._settling = files.marks()
        try:
            self._serving = files.read()
        except CertificateError as error:
            raise SettingsError(str(error)) from error
        self._renewed: list[grpc.ServerCertificateConfiguration] = []
        """What the library has not taken yet."""
        self._problem = ""
        self._told_expired = False
        self._log()

    def credentials(self) -> grpc.ServerCredentials:
        """Make the credentials of a port. With each connection, the library asks whether there is a new certificate."""
        return grpc.dynamic_ssl_server_credentials(
            _configuration(self._serving),
            self.take_renewed,  # type: ignore[arg-type]  # the stubs do not know that None is an answer
            require_client_authentication=self._files.client_ca is not None,
        )

    async def follow(self) -> None:
        """Look at the files every second until cancelled."""
        while True:
            await asyncio.sleep(_LOOK_SECONDS)
            try:
                self.look()
            except Exception:  # else no certificate would ever be renewed
                _logger.exception("the files of the certificate could not be looked at; tried again")

    def look(self) -> None:
        """Look at the files once; what has changed is read when it has stayed the same for two looks."""
        marks, settled = self._files.marks(), self._settling
        self._settling = marks
        if marks != self._seen and marks == settled:
            self._seen = marks
            self._renew()
        if self._serving.expires * 1e6 < self._clock() and not self._told_expired:
            self._told_expired = True
            _logger.error("the TLS certificate has expired on %s: clients reject it", _date(self._serving.expires))

    def collect(self) -> Iterable[Metric]:
        """Return the metrics; prometheus_client's."""
        yield GaugeMetricFamily(
            "presage_tls_certificate_expiry_timestamp_seconds",
            "Until when the certificate that is served is valid, in seconds since 1970.",
            value=self._serving.expires,
        )
        yield GaugeMetricFamily(
            "presage_tls_problem",
            "1 while the certificate's files cannot be served, and the previous certificate is.",
            value=float(bool(self._problem)),
        )

    def _renew(self) -> None:
        try:
            found = self._files.read()
        except CertificateError as error:
            self._problem = str(error)
            _logger.error(  # noqa: TRY400 - the message says it all
                "TLS keeps the certificate that is valid until %s; the new one cannot be served: %s",
                _date(self._serving.expires),
                error,
            )
            return
        self._problem, self._told_expired = "", False
        if found != self._serving:
            self._serving = found
            self._renewed = [_configuration(found)]
            self._log()

    def take_renewed(self) -> grpc.ServerCertificateConfiguration | None:
        """Return a new certificate once; called in the library's threads, before each handshake."""
        try:
            return self._renewed.pop()
        except IndexError:
            return None

    def _log(self) -> None:
        clients = "clients need certificates" if self._files.client_ca is not None else "clients need no certificate"
        _logger.info("TLS: %s, valid until %s; %s", self._serving.subject, _date(self._serving.expires), clients)


def _configuration(certificate: Certificate) -> grpc.ServerCertificateConfiguration:
    return grpc.ssl_server_certificate_configuration(
        [(certificate.key, certificate.chain)], root_certificates=certificate.client_ca
    )


def _date(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%d %H:%M UTC")
