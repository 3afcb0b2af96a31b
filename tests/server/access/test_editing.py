from __future__ import annotations

import stat
from concurrent.futures import ThreadPoolExecutor

import pytest

from presage_server.access.editing import change_tokens
from presage_server.access.tokens import digest_of, make_token, read_tokens
from presage_server.errors import TokensError


def token(name):
    return make_token(name=name, scopes=["score"], sha256=digest_of(name.encode()).hex())


def mode_of(path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


def test_a_new_file_is_its_owners_alone(tmp_path):
    path = tmp_path / "tokens.json"
    change_tokens(path, lambda present: [*present, token("shop")])
    assert [one.name for one in read_tokens(path)] == ["shop"]
    assert mode_of(path) == 0o600
    assert list(tmp_path.iterdir()) == [path]


def test_the_rights_stay_and_a_link_stays_one(tmp_path):
    path, link = tmp_path / "real", tmp_path / "tokens.json"
    change_tokens(path, lambda _: [])
    path.chmod(0o400)
    link.symlink_to(path)
    change_tokens(link, lambda _: [token("shop")])
    assert link.is_symlink()
    assert mode_of(path) == 0o400
    assert [one.name for one in read_tokens(link)] == ["shop"]


def test_nothing_is_lost_when_several_change_it_at_once(tmp_path):
    path = tmp_path / "tokens.json"
    names = [f"token-{number}" for number in range(40)]
    with ThreadPoolExecutor(8) as threads:
        list(threads.map(lambda name: change_tokens(path, lambda present: [*present, token(name)]), names))
    assert sorted(one.name for one in read_tokens(path)) == sorted(names)


def test_a_file_that_is_not_valid_is_left_as_it_is(tmp_path):
    path = tmp_path / "tokens.json"
    path.write_text("{")
    path.chmod(0o600)
    with pytest.raises(TokensError, match="not a valid tokens file"):
        change_tokens(path, lambda _: [])
    assert path.read_text() == "{"


def test_a_change_that_fails_leaves_nothing_behind(tmp_path):
    path = tmp_path / "tokens.json"
    change_tokens(path, lambda _: [token("shop")])

    def fail(_):
        raise TokensError("no")

    with pytest.raises(TokensError, match="no"):
        change_tokens(path, fail)
    assert list(tmp_path.iterdir()) == [path]
    with pytest.raises(TokensError, match="cannot be written"):
        change_tokens(tmp_path / "missing" / "tokens.json", lambda _: [])
