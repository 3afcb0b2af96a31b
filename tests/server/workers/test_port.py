"""The port that workers share."""

from __future__ import annotations

import socket

import pytest

from presage_server.errors import SettingsError
from presage_server.workers.port import reserved_port


def listening(port: int) -> socket.socket:
    return socket.create_server(("127.0.0.1", port), reuse_port=True)


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "0.0.0.0"])
def test_a_reserved_port_is_for_those_who_share_it_and_its_holder_takes_no_connection(host):
    with reserved_port(host, 0) as port:
        assert port
        with pytest.raises(ConnectionRefusedError):
            socket.create_connection(("127.0.0.1", port))
        with pytest.raises(OSError, match="in use"), socket.socket() as alone:
            alone.bind(("127.0.0.1", port))
        with listening(port) as first, listening(port) as second:
            first.setblocking(False)
            second.setblocking(False)
            accepted = 0
            for _ in range(50):
                with socket.create_connection(("127.0.0.1", port)):
                    for server in (first, second):
                        try:
                            server.accept()[0].close()
                        except BlockingIOError:
                            continue
                        accepted += 1
            assert accepted == 50


def test_a_port_that_another_server_shares_is_taken(unused_tcp_port):
    with (
        listening(unused_tcp_port),
        pytest.raises(SettingsError, match=r"^port: cannot listen on 127\.0\.0\.1:\d+; is it taken"),
        reserved_port("127.0.0.1", unused_tcp_port),
    ):
        pass


def test_connections_that_a_last_server_left_behind_do_not_take_the_port(unused_tcp_port):
    with listening(unused_tcp_port) as server:
        client = socket.create_connection(("127.0.0.1", unused_tcp_port))
        server.accept()[0].close()  # who closes first keeps the port for a minute
        assert client.recv(1) == b""
        client.close()
    with reserved_port("127.0.0.1", unused_tcp_port) as port:
        assert port == unused_tcp_port


@pytest.mark.parametrize("host", ["192.0.2.1", "no-such-host.invalid"])
def test_a_host_that_is_not_this_machines_is_refused(host):
    expected = rf"^port: cannot listen on {host}:0; is it taken, or the host"
    with pytest.raises(SettingsError, match=expected), reserved_port(host, 0):
        pass
