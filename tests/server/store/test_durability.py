"""What is said at start of a store that may lose what it acknowledged."""

from __future__ import annotations

import pytest

from presage_server.errors import StoreStartError
from presage_server.store.checking import connect
from presage_server.store.durability import check_durability
from support.stores import local_store

SYNCS_ALWAYS = {"appendonly": "yes", "appendfsync": "always"}


@pytest.fixture
def check(short_directory):
    async def check(fsync, *, forbidden="", **options):
        with local_store(short_directory / "s", dir=str(short_directory), **options) as store:
            if forbidden:
                store.redis.acl_setuser("default", enabled=True, commands=["+@all", forbidden])
            redis, _ = connect(store.url)
            try:
                await check_durability(redis, fsync)
            finally:
                await redis.aclose(close_connection_pool=True)

    return check


async def test_a_store_without_a_file_is_warned_of(check, caplog):
    await check("everysec")
    assert "keeps no append-only file" in caplog.text


@pytest.mark.parametrize("options", [{"appendonly": "yes"}, SYNCS_ALWAYS], ids=["everysec", "always"])
async def test_others_are_not(check, options, caplog):
    await check("everysec", **options)
    assert caplog.text == ""


@pytest.mark.parametrize("options", [{}, {"appendonly": "yes"}], ids=["no file", "everysec"])
async def test_a_store_that_answers_before_it_syncs_is_rejected_where_that_was_asked_for(check, options):
    with pytest.raises(
        StoreStartError, match=r"^store_fsync: expected a store with appendonly yes and appendfsync always"
    ):
        await check("always", **options)


async def test_and_one_that_syncs_first_is_taken(check, caplog):
    await check("always", **SYNCS_ALWAYS)
    assert caplog.text == ""


async def test_a_store_that_does_not_say_is_warned_of(check, caplog):
    await check("always", forbidden="-config")
    assert "cannot be checked" in caplog.text
