"""The file of tokens changes, breaks, and is repaired, while it is followed."""

from __future__ import annotations

import asyncio
import logging

import pytest

from presage_server.access import following
from presage_server.access.following import TokensFollower
from presage_server.errors import TokensError
from support.running_server import GENEROUS_SECONDS
from support.tokens import write_tokens


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "tokens.json"
    write_tokens(path, shop="score")
    return path


@pytest.fixture
def follower(path):
    return TokensFollower(path, lambda _: None)


def names(follower) -> list[str]:
    return [token.name for token in follower.tokens]


def test_a_change_is_applied_once_and_logged_by_name(path, caplog):
    applied = []
    follower = TokensFollower(path, applied.append)
    caplog.set_level(logging.INFO)
    follower.look()
    assert len(applied) == 1
    write_tokens(path, shop="score track", web="track")
    follower.look()
    follower.look()
    assert [sorted(token.name for token in tokens) for tokens in applied] == [["shop"], ["shop", "web"]]
    (line,) = caplog.messages
    assert line == f"tokens: 2 in {path}; added: web; removed: none; changed: shop"
    write_tokens(path, web="track")
    follower.look()
    assert names(follower) == ["web"]


def broken(path):
    path.write_text("{")


def readable(path):
    write_tokens(path, other="score")
    path.chmod(0o644)


def removed(path):
    path.unlink()


@pytest.mark.parametrize("spoil", [broken, readable, removed])
def test_a_file_that_cannot_be_used_changes_nothing_and_is_reported_once(path, follower, caplog, spoil):
    caplog.set_level(logging.INFO)
    spoil(path)
    for _ in range(5):
        follower.look()
    assert names(follower) == ["shop"]
    assert str(path) in follower.problem
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.message == f"the tokens in use stay as they are: {follower.problem}"
    caplog.clear()
    path.unlink(missing_ok=True)
    write_tokens(path, web="track")
    follower.look()
    assert (names(follower), follower.problem) == (["web"], "")
    assert [record.levelname for record in caplog.records] == ["INFO", "INFO"]


def test_at_start_a_file_that_cannot_be_used_is_an_error(path):
    broken(path)
    with pytest.raises(TokensError, match="not a valid tokens file"):
        TokensFollower(path, lambda _: None)


def test_a_worker_begins_with_the_tokens_that_it_is_given_whatever_the_file_is(path, follower):
    broken(path)
    given = follower.tokens
    worker = TokensFollower(path, lambda _: None, given)
    assert worker.tokens == given
    worker.look()
    assert worker.tokens == given
    assert worker.problem


async def test_a_look_that_fails_is_not_the_last_one(path, monkeypatch, caplog):
    monkeypatch.setattr(following, "_EVERY_SECONDS", 0.01)
    changed = asyncio.Event()
    loop = asyncio.get_running_loop()
    follower = TokensFollower(path, lambda _: None)
    follower._apply = lambda _: loop.call_soon_threadsafe(changed.set)
    look, tries = follower.look, iter([RuntimeError("can't start new thread")])

    def failing_once():
        for error in tries:
            raise error
        look()

    monkeypatch.setattr(follower, "look", failing_once)
    write_tokens(path, web="track")
    task = asyncio.create_task(follower.run())
    async with asyncio.timeout(GENEROUS_SECONDS):
        await changed.wait()
    task.cancel()
    assert "can't start new thread" in caplog.text
