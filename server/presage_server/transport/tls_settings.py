"""Settings of TLS."""

from __future__ import annotations

from dataclasses import dataclass

from presage_server.errors import SettingsError
from presage_server.setting_fields import setting
from presage_server.transport.addresses import is_loopback

__all__ = ["TlsSettings"]


@dataclass(frozen=True, kw_only=True)
class TlsSettings:
    """Certificates, and what is served in plain text."""

    tls_cert: str = setting(
        "",
        "The PEM file of the server's certificate, followed by the intermediate ones. Connections then use TLS, with `grpcio` as "
        "transport. The file is checked every second, and a new certificate is served without a restart.",
        shown_default="none: nothing is encrypted",
    )
    tls_key: str = setting("", "The PEM file of that certificate's key, without a passphrase.", shown_default="none")
    tls_client_ca: str = setting(
        "",
        "The PEM file of the authorities whose certificates clients need (mutual TLS); followed like the others.",
        shown_default="none: clients need no certificate",
    )
    insecure: bool = setting(
        False,
        "Listen beyond loopback without TLS, so that the network can read and change what is sent. For networks where something "
        "else encrypts, such as a service mesh.",
    )

    def check_tls(self, host: str) -> None:
        """Check what belongs together.

        Args:
            host: The address to listen on.

        Raises:
            SettingsError: A field is missing, or does not fit another.
        """
        if bool(self.tls_cert) != bool(self.tls_key):
            missing, given = ("tls_key", "tls_cert") if self.tls_cert else ("tls_cert", "tls_key")
            raise SettingsError(f"{missing}: expected a PEM file beside {given}, got none")
        if self.tls_client_ca and not self.tls_cert:
            raise SettingsError("tls_client_ca: expected tls_cert and tls_key beside it, got none")
        if not (is_loopback(host) or self.tls_cert or self.insecure):
            raise SettingsError(
                f"host: on {host}, which other machines can reach, nothing would be encrypted; give tls_cert and tls_key, or "
                "listen on loopback behind a proxy that speaks TLS, or set insecure"
            )
