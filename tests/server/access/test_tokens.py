from __future__ import annotations

import json
import os

import pytest
from hypothesis import given
from hypothesis import strategies as st

from presage_server.access.tokens import Token, digest_of, encode_tokens, make_token, new_token, read_tokens
from presage_server.errors import TokensError

DIGEST = digest_of(b"secret").hex()


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "tokens.json"
    path.touch(mode=0o600)
    return path


def written(file, **fields) -> str:
    """Write one token, and return what reading the file says is wrong with it."""
    token = {"name": "shop", "scopes": ["score"], "sha256": DIGEST} | fields
    file.write_text(json.dumps({"tokens": [token]}))
    with pytest.raises(TokensError) as caught:
        read_tokens(file)
    return str(caught.value)


def test_what_is_written_is_read(file):
    tokens = [
        make_token(name="shop", scopes=["track", "score"], sha256=DIGEST, calls_per_second=0.5, burst=3, created="now"),
        make_token(name="prometheus", scopes=[], sha256=digest_of(b"other").hex()),
    ]
    file.write_bytes(encode_tokens(tokens))
    assert read_tokens(file) == tokens
    assert "secret" not in file.read_text()


def test_tokens_differ_and_are_one_word():
    tokens = {new_token() for _ in range(100)}
    assert len(tokens) == 100
    assert all(token.startswith("presage_") and len(token) > 48 and token.isascii() for token in tokens)
    assert not any(set(token) & set(" \"'$\\") for token in tokens)


@pytest.mark.parametrize(
    ("fields", "problem"),
    [
        ({"name": ""}, r"name"),
        ({"name": "a b"}, r"name"),
        ({"scopes": ["all"]}, r"'all'.*scopes"),
        ({"scopes": "score"}, r"scopes"),
        ({"sha256": "secret"}, "sha256: expected 64 hexadecimal digits"),
        ({"sha256": DIGEST.upper()}, "sha256: expected 64 hexadecimal digits"),
        ({"calls_per_second": -1}, "calls_per_second"),
        ({"calls_per_second": 1e-9}, "calls_per_second: expected 0, for any number, or at least 0.001"),
        ({"burst": -1}, "burst"),
        ({"scope": ["score"]}, "unknown field `scope`"),
    ],
)
def test_a_field_that_cannot_be_is_named(file, fields, problem):
    import re

    message = written(file, **fields)
    assert str(file) in message
    assert re.search(problem, message)
    assert "secret" not in message or fields["sha256"] == "secret"


@pytest.mark.parametrize("field", ["name", "sha256"])
def test_no_two_tokens_are_alike(file, field):
    tokens = [{"name": name, "scopes": [], "sha256": digest_of(name.encode()).hex()} for name in "ab"]
    tokens[1][field] = tokens[0][field]
    file.write_text(json.dumps({"tokens": tokens}))
    with pytest.raises(TokensError, match=f"no two tokens have the same {field}"):
        read_tokens(file)


@given(content=st.one_of(st.binary(max_size=200), st.text(max_size=200).map(str.encode)))
def test_no_content_does_more_than_being_rejected(tmp_path_factory, content):
    path = tmp_path_factory.mktemp("tokens") / "tokens.json"
    path.touch(mode=0o600)
    path.write_bytes(content)
    try:
        assert all(isinstance(token, Token) for token in read_tokens(path))
    except TokensError as error:
        assert str(path) in str(error)  # noqa: PT017 - either is right


@pytest.mark.parametrize("mode", [0o604, 0o640, 0o660, 0o666, 0o602, 0o610])
def test_a_file_that_others_can_read_is_rejected_with_what_to_do(file, mode):
    file.write_bytes(encode_tokens([]))
    file.chmod(mode)
    with pytest.raises(TokensError, match=f"got mode {mode:04o}; chmod 600 "):
        read_tokens(file)


def test_a_group_may_read_what_is_roots(file, monkeypatch):
    """As Kubernetes mounts secrets for a user that is not root."""
    file.write_bytes(encode_tokens([]))
    file.chmod(0o440)
    found = list(file.stat())
    found[4] = 0
    monkeypatch.setattr(os, "fstat", lambda _: os.stat_result(found))
    monkeypatch.setattr(os, "geteuid", lambda: 1_000)
    assert read_tokens(file) == []
    found[0] |= 0o004
    with pytest.raises(TokensError, match="got mode 0444"):
        read_tokens(file)


def test_what_is_no_file_does_not_make_the_server_wait(tmp_path):
    os.mkfifo(tmp_path / "pipe", 0o600)
    for path in (tmp_path / "pipe", tmp_path, tmp_path / "missing"):
        with pytest.raises(TokensError, match=str(path)):
            read_tokens(path)
