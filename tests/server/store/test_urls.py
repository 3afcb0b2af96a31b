"""URLs of stores taken apart."""

from __future__ import annotations

import pytest

from presage_server.errors import SettingsError
from presage_server.settings import Settings
from presage_server.store.urls import STORE_SCHEMES, StoreKind, StoreUrl


@pytest.mark.parametrize("url", ["redis://localhost:6379/3", "rediss://user:pw@host", "unix:///tmp/socket?db=1"])
def test_a_url_of_one_server_stays_as_it_is(url):
    assert StoreUrl.parse(url) == StoreUrl(kind=StoreKind.SINGLE, url=url)


def test_a_cluster_is_known_by_some_of_its_servers():
    found = StoreUrl.parse("rediss+cluster://user:p%40ss@a,b:7001,[::1]:7002,[::2]?ssl_ca_certs=/ca.pem")

    assert found.kind is StoreKind.CLUSTER
    assert found.asked == (
        "rediss://user:p%40ss@a:6379?ssl_ca_certs=/ca.pem",
        "rediss://user:p%40ss@b:7001?ssl_ca_certs=/ca.pem",
        "rediss://user:p%40ss@[::1]:7002?ssl_ca_certs=/ca.pem",
        "rediss://user:p%40ss@[::2]:6379?ssl_ca_certs=/ca.pem",
    )
    assert found.url == found.asked[0]


def test_a_primary_is_known_by_its_name_and_the_sentinels():
    found = StoreUrl.parse("redis+sentinel://:pw@a,b:7001/shop/2?sentinel_password=s%2Fecret&client_name=x")

    assert found.kind is StoreKind.SENTINEL
    assert found.name == "shop"
    assert found.url == "redis://:pw@a:26379/2?client_name=x"
    assert found.asked == (
        "redis://:s%2Fecret@a:26379?client_name=x",
        "redis://:s%2Fecret@b:7001?client_name=x",
    )


@pytest.mark.parametrize(
    ("url", "wrong"),
    [
        ("redis+cluster://", "got no host"),
        ("redis+cluster://user:secret@/0", "got no host"),
        ("redis+cluster://user:secret@a,b/1", "a cluster has only database 0"),
        ("redis+sentinel://user:secret@a,b", "got no name after the Sentinels"),
        ("redis+sentinel://user:secret@a,b/?sentinel_password=secret", "got no name after the Sentinels"),
    ],
)
def test_what_is_missing_is_named_and_no_password_is_shown(url, wrong):
    with pytest.raises(ValueError, match=wrong) as raised:
        StoreUrl.parse(url)
    assert "secret" not in str(raised.value)


def test_a_url_taken_apart_shows_no_password():
    shown = repr(StoreUrl.parse("redis+sentinel://:secret@a/shop?sentinel_password=secret"))
    assert "secret" not in shown


def test_settings_take_every_kind_of_url():
    for scheme in STORE_SCHEMES:
        assert Settings(redis_url=f"{scheme}anything").redis_url
    with pytest.raises(SettingsError, match=r"redis\+cluster://"):
        Settings(redis_url="http://anything")
