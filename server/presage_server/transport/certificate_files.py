"""Files of a certificate, its key and its clients' authorities, checked as a client would."""

from __future__ import annotations

import ssl
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

__all__ = ["Certificate", "CertificateError", "TlsFiles"]

_STEPS = 10
"""More than a handshake has."""


class CertificateError(Exception):
    """Expected: files that cannot be served; the text names the setting and the reason."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Certificate:
    """What was read, and holds together."""

    chain: bytes = field(repr=False)
    key: bytes = field(repr=False)
    client_ca: bytes | None = field(repr=False)
    subject: str
    """Its names, or its common name."""
    expires: float
    """In seconds since 1970."""


@dataclass(frozen=True, kw_only=True, slots=True)
class TlsFiles:
    """PEM files; ``client_ca`` is None where clients need no certificate."""

    chain: Path
    key: Path
    client_ca: Path | None

    def marks(self) -> tuple[tuple[int, int, int] | None, ...]:
        """Return what changes when a file does; None for one that is not there."""
        return tuple(_mark(path) for path in (self.chain, self.key, self.client_ca) if path is not None)

    def read(self) -> Certificate:
        """Read the files, and make a handshake with them in memory.

        Raises:
            CertificateError: A file cannot be read, or a client that trusts this certificate would reject it.
        """
        chain, key = _read("tls_cert", self.chain), _read("tls_key", self.key)
        client_ca = None if self.client_ca is None else _read("tls_client_ca", self.client_ca)
        if client_ca is not None:
            _context_of_client("tls_client_ca", self.client_ca, client_ca)
        subject, expires = _shake_hands(self, chain)
        if (chain, key) != (_read("tls_cert", self.chain), _read("tls_key", self.key)):
            raise CertificateError("tls_cert: the files changed while they were read")
        return Certificate(chain=chain, key=key, client_ca=client_ca, subject=subject, expires=expires)


def _mark(path: Path) -> tuple[int, int, int] | None:
    try:
        found = path.stat()
    except OSError:
        return None
    return found.st_ino, found.st_size, found.st_mtime_ns


def _read(setting: str, path: Path) -> bytes:
    try:
        return path.read_bytes()
    except OSError as error:
        raise CertificateError(f"{setting}: {path} cannot be read: {error.strerror or error}") from error


def _context_of_client(setting: str, path: Path | None, trusted: bytes) -> ssl.SSLContext:
    """Make a client that trusts certificates, also those that are not authorities."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    context.check_hostname = False
    context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    try:
        context.load_verify_locations(cadata=trusted.decode("ascii"))
    except (ssl.SSLError, ValueError) as error:
        raise CertificateError(f"{setting}: {path} holds no certificates in PEM format") from error
    return context


def _shake_hands(files: TlsFiles, chain: bytes) -> tuple[str, float]:
    """Return the name that a client would see, and until when."""
    client = _context_of_client("tls_cert", files.chain, chain)
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    try:
        server.load_cert_chain(files.chain, files.key, password="")  # else the library would ask the terminal
    except (ssl.SSLError, ValueError, OSError) as error:
        raise CertificateError(
            f"tls_key: expected the key, without a passphrase, of the certificate in {files.chain}, but that of {files.key} "
            f"does not fit or cannot be read ({getattr(error, 'reason', None) or error})"
        ) from error
    to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
    sides = (client.wrap_bio(to_client, to_server), server.wrap_bio(to_server, to_client, server_side=True))
    for _ in range(_STEPS):
        for side in sides:
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
            except ssl.SSLCertVerificationError as error:
                raise CertificateError(f"tls_cert: {files.chain}: {error.verify_message}") from error
            except ssl.SSLError as error:
                raise CertificateError(f"tls_cert: {files.chain} cannot be served: {error.reason}") from error
    seen: dict[str, Any] = sides[0].getpeercert() or {}
    names = [str(name) for _, name in seen.get("subjectAltName", ())]
    common = [str(value) for part in seen.get("subject", ()) for key, value in part if key == "commonName"]
    return ", ".join(names or common) or "a certificate without a name", ssl.cert_time_to_seconds(str(seen["notAfter"]))
