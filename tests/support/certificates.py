"""An authority of certificates, made by openssl."""

from __future__ import annotations

import subprocess
from dataclasses import dataclass
from pathlib import Path

_EC = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes")


@dataclass(frozen=True, slots=True)
class Pair:
    """Two PEM files."""

    cert: Path
    key: Path

    def copy_to(self, other: Pair) -> None:
        """Replace the files of another pair, one after the other."""
        for ours, theirs in ((self.cert, other.cert), (self.key, other.key)):
            new = theirs.with_suffix(".new")
            new.write_bytes(ours.read_bytes())
            new.rename(theirs)


class Authority:
    """Signs certificates for localhost; its own is ``cert``."""

    def __init__(self, folder: Path, name: str = "authority") -> None:
        folder.mkdir(exist_ok=True)
        self._folder, self._name = folder, name
        self.cert, self._key = folder / f"{name}.pem", folder / f"{name}.key"
        _openssl("req", "-x509", *_EC, "-days", "30", "-subj", f"/CN={name}", "-keyout", self._key, "-out", self.cert)

    def issue(self, name: str, *, days: int = 30) -> Pair:
        """Make a certificate, for servers and clients; with negative days, one that has expired."""
        pair = Pair(self._folder / f"{name}.pem", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.request", self._folder / f"{name}.extensions"
        _openssl("req", *_EC, "-subj", f"/CN={name}", "-keyout", pair.key, "-out", request)
        extensions.write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\n")
        signed_by = (
            "-CA",
            self.cert,
            "-CAkey",
            self._key,
            "-CAcreateserial",
            "-days",
            str(days),
            "-extfile",
            extensions,
        )
        _openssl("x509", "-req", "-in", request, *signed_by, "-out", pair.cert)
        return pair


def _openssl(*arguments: str | Path) -> None:
    subprocess.run(["openssl", *map(str, arguments)], check=True, capture_output=True)
