"""Credentials from files."""

from __future__ import annotations

import grpc
import pytest

from presage_client import Client, ClientOptions, UnavailableError, tls_credentials
from support.certificates import Authority
from support.proxies import in_thread
from support.running_server import serving


@pytest.fixture(scope="module")
def authority(tmp_path_factory) -> Authority:
    return Authority(tmp_path_factory.mktemp("authority"))


def test_a_client_with_a_certificate_is_let_in(authority, store, models):
    server, backend = authority.issue("server"), authority.issue("backend")
    files = {"tls_cert": str(server.cert), "tls_key": str(server.key), "tls_client_ca": str(authority.cert)}
    with in_thread(serving(redis_url=store.url, models=models, **files)) as served:
        known = tls_credentials(authority.cert, cert_file=backend.cert, key_file=backend.key)
        with Client(served.address, options=ClientOptions(credentials=known, timeout_ms=20_000)) as client:
            assert client.score("visitor").model == "conversion"
        unknown = tls_credentials(str(authority.cert))
        with (
            Client(served.address, options=ClientOptions(credentials=unknown, max_attempts=1)) as client,
            pytest.raises(UnavailableError),
        ):
            client.score("visitor", timeout_ms=20_000)


def test_files_that_do_not_fit_are_rejected_by_name(authority, tmp_path):
    assert isinstance(tls_credentials(), grpc.ChannelCredentials)
    with pytest.raises(ValueError, match=r"^key_file: expected a PEM file beside cert_file, got None"):
        tls_credentials(cert_file=authority.cert)
    with pytest.raises(ValueError, match=r"^cert_file: expected a PEM file beside key_file, got None"):
        tls_credentials(key_file=authority.cert)
    other = tmp_path / "other"
    other.write_text("nothing")
    with pytest.raises(ValueError, match=r"^ca_file: expected a file in PEM format, got '.*other'"):
        tls_credentials(other)
    with pytest.raises(FileNotFoundError):
        tls_credentials(tmp_path / "none")
