"""What is read of certificates, what is rejected, and when a new one is taken."""

from __future__ import annotations

import logging
import subprocess

import pytest
from prometheus_client import CollectorRegistry

from presage_server.errors import SettingsError
from presage_server.transport.certificate_files import CertificateError, TlsFiles
from presage_server.transport.certificates import Certificates
from support.certificates import Authority, Pair

DAY_SECONDS = 86_400


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


@pytest.fixture(scope="module")
def issued(authority) -> dict[str, Pair]:
    return {
        "first": authority.issue("first"),
        "second": authority.issue("second", days=60),
        "old": authority.issue("old", days=-1),
    }


@pytest.fixture
def served(issued, tmp_path) -> Pair:
    """Copies that a test may replace."""
    pair = Pair(tmp_path / "cert.pem", tmp_path / "key.pem")
    issued["first"].copy_to(pair)
    return pair


class Clock:
    def __init__(self) -> None:
        self.micros = 0

    def __call__(self) -> int:
        return self.micros


def files(pair: Pair, client_ca=None) -> TlsFiles:
    return TlsFiles(chain=pair.cert, key=pair.key, client_ca=client_ca)


def metric(certificates: Certificates, name: str) -> float:
    registry = CollectorRegistry()
    registry.register(certificates)
    value = registry.get_sample_value(name)
    assert value is not None
    return value


def looks(certificates: Certificates, count: int = 2) -> None:
    for _ in range(count):
        certificates.look()


def test_a_certificate_is_read_with_its_names_and_its_end(issued):
    first, second = (files(issued[name]).read() for name in ("first", "second"))
    assert first.subject == "localhost, 127.0.0.1"
    assert round((second.expires - first.expires) / DAY_SECONDS) == 30
    assert "PRIVATE" not in repr(first)


def test_a_chain_is_read_with_what_signed_it(issued, authority, served):
    served.cert.write_bytes(issued["first"].cert.read_bytes() + authority.cert.read_bytes())
    assert files(served).read().chain.count(b"BEGIN CERTIFICATE") == 2


def break_cert(pair: Pair, _) -> None:
    pair.cert.write_text("no PEM")


def cut_cert(pair: Pair, _) -> None:
    pair.cert.write_bytes(pair.cert.read_bytes()[:300])


def empty_key(pair: Pair, _) -> None:
    pair.key.write_text("")


def no_key(pair: Pair, _) -> None:
    pair.key.unlink()


def key_of_another(pair: Pair, issued) -> None:
    pair.key.write_bytes(issued["second"].key.read_bytes())


def secret_key(pair: Pair, _) -> None:
    command = ("openssl", "ec", "-in", pair.key, "-aes256", "-passout", "pass:secret", "-out", f"{pair.key}.new")
    subprocess.run(command, check=True, capture_output=True)
    pair.key.with_name(f"{pair.key.name}.new").rename(pair.key)


def expired(pair: Pair, issued) -> None:
    issued["old"].copy_to(pair)


BROKEN = [
    (break_cert, r"^tls_cert: .*cert\.pem holds no certificates in PEM format"),
    (cut_cert, r"^tls_cert: .*cert\.pem holds no certificates in PEM format"),
    (empty_key, r"^tls_key: expected the key, without a passphrase, of .*cert\.pem"),
    (no_key, r"^tls_key: .*key\.pem cannot be read: No such file"),
    (key_of_another, r"^tls_key: expected the key.* does not fit"),
    (secret_key, r"^tls_key: expected the key, without a passphrase"),
    (expired, r"^tls_cert: .*cert\.pem: certificate has expired"),
]


@pytest.mark.parametrize(("change", "message"), BROKEN, ids=[change.__name__ for change, _ in BROKEN])
def test_what_no_client_could_use_is_rejected_at_start_and_while_serving(issued, served, change, message, caplog):
    certificates = Certificates(files(served), Clock())
    before = metric(certificates, "presage_tls_certificate_expiry_timestamp_seconds")
    change(served, issued)
    with pytest.raises(SettingsError, match=message):
        Certificates(files(served), Clock())
    looks(certificates, 5)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1, "it is reported once"
    assert "the new one cannot be served: tls_" in errors[0]
    assert metric(certificates, "presage_tls_problem") == 1
    assert metric(certificates, "presage_tls_certificate_expiry_timestamp_seconds") == before
    assert certificates.take_renewed() is None
    issued["second"].copy_to(served)
    looks(certificates)
    assert metric(certificates, "presage_tls_problem") == 0
    assert certificates.take_renewed() is not None


def test_clients_authorities_are_checked_too(issued, authority, tmp_path):
    assert files(issued["first"], authority.cert).read().client_ca == authority.cert.read_bytes()
    broken = tmp_path / "authorities.pem"
    broken.write_text("none")
    with pytest.raises(CertificateError, match=r"^tls_client_ca: .* holds no certificates"):
        files(issued["first"], broken).read()


def test_a_new_certificate_is_taken_once_it_stays_the_same(issued, served):
    certificates = Certificates(files(served), Clock())
    looks(certificates)
    assert certificates.take_renewed() is None
    served.cert.write_bytes(issued["second"].cert.read_bytes())
    looks(certificates, 1)
    served.key.write_bytes(issued["second"].key.read_bytes())
    looks(certificates, 1)
    assert certificates.take_renewed() is None, "both changed since the last look"
    looks(certificates, 1)
    assert certificates.take_renewed() is not None
    assert certificates.take_renewed() is None, "the library keeps it"
    assert metric(certificates, "presage_tls_problem") == 0


def test_touched_files_are_no_new_certificate(served):
    certificates = Certificates(files(served), Clock())
    served.cert.touch()
    looks(certificates)
    assert certificates.take_renewed() is None


def test_a_certificate_that_expires_while_it_serves_is_reported_once(served, caplog):
    clock = Clock()
    certificates = Certificates(files(served), clock)
    looks(certificates)
    assert not [record for record in caplog.records if record.levelno == logging.ERROR]
    clock.micros = int(metric(certificates, "presage_tls_certificate_expiry_timestamp_seconds") * 1e6) + 1
    looks(certificates, 3)
    errors = [record.getMessage() for record in caplog.records if record.levelno == logging.ERROR]
    assert len(errors) == 1
    assert "has expired" in errors[0]
