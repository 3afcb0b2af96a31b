"""``presage tokens``, as an operator types it."""

from __future__ import annotations

import pytest
from typer.testing import CliRunner

from presage_server.access.command import tokens
from presage_server.access.tokens import digest_of, read_tokens


@pytest.fixture
def run(tmp_path, monkeypatch):
    path = tmp_path / "tokens.json"
    monkeypatch.setenv("PRESAGE_TOKENS_FILE", str(path))
    monkeypatch.setenv("COLUMNS", "200")

    def invoke(*arguments):
        return CliRunner().invoke(tokens, arguments)

    invoke.path = path
    return invoke


def test_a_token_is_shown_once_on_standard_output_and_kept_as_a_digest(run):
    added = run("add", "shop", "--scopes", "track, score,track", "--calls-per-second", "500", "--burst", "50")
    assert added.exit_code == 0
    secret = added.stdout.strip()
    assert "\n" not in secret
    assert secret not in added.stderr
    (token,) = read_tokens(run.path)
    assert (token.name, token.scopes, token.sha256) == ("shop", ("track", "score"), digest_of(secret.encode()).hex())
    assert (token.calls_per_second, token.burst) == (500.0, 50)
    assert secret not in run.path.read_text()


def test_tokens_are_listed_without_digests_and_removed_by_name(run):
    for name, scopes in (("shop", "score"), ("prometheus", "none")):
        assert run("add", name, "--scopes", scopes).exit_code == 0
    listed = run("list")
    assert listed.exit_code == 0
    for shown in ("shop", "score", "prometheus", "none", "any"):
        assert shown in listed.stdout
    assert read_tokens(run.path)[0].sha256[:8] not in listed.stdout
    assert run("remove", "shop").exit_code == 0
    assert [token.name for token in read_tokens(run.path)] == ["prometheus"]


@pytest.mark.parametrize(
    ("arguments", "problem"),
    [
        (("add", "shop", "--scopes", "score"), "has a token shop already"),
        (("add", "new", "--scopes", "all"), "scopes: expected some of track, score, admin .* got 'all'"),
        (("add", "new", "--scopes", ""), "scopes: expected some of .* got ''"),
        (("add", "a b", "--scopes", "score"), "name: expected 1 to 64"),
        (("add", "new", "--scopes", "score", "--calls-per-second", "1e12"), "calls_per_second"),
        (("add", "new", "--scopes", "score", "--calls-per-second", "1e-7"), "calls_per_second: expected 0"),
        (("remove", "nobody"), r"expected one of its tokens \(shop\), got 'nobody'"),
        (("list", "--tokens-file", "/nonexistent/file"), "cannot be read"),
    ],
)
def test_what_cannot_be_ends_with_one_line_and_changes_nothing(run, arguments, problem):
    import re

    assert run("add", "shop", "--scopes", "score").exit_code == 0
    before = run.path.read_bytes()
    ended = run(*arguments)
    assert ended.exit_code == 2
    assert re.search(problem, ended.stderr)
    assert ended.stderr.count("\n") == 1
    assert ended.stdout == ""
    assert run.path.read_bytes() == before
