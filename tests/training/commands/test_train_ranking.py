"""``presage train --rank`` from a terminal."""

from __future__ import annotations

from functools import partial

import pytest
from training.commands.running import run_here

from presage_export.bundle.ranking import load_ranking_bundle

SHOP = ("--simulate", "--visitors", 300, "--days", 14, "--draws", 100)


@pytest.fixture
def train(monkeypatch, capsys):
    return partial(run_here, monkeypatch, capsys, "train", "--rank")


def test_it_writes_a_run_and_a_bundle_and_says_how_to_serve_it(train, tmp_path):
    rules = tmp_path / "placements.toml"
    rules.write_text("[home]\nmax_per_category = 2\n")
    bundle = tmp_path / "models" / "ranking" / "1"
    done = train(*SHOP, "--to", tmp_path / "run", "--bundle", bundle, "--placements", rules)

    assert (done.code, done.err) == (0, "")
    assert load_ranking_bundle(bundle).spec.question == "next-item"
    assert load_ranking_bundle(tmp_path / "run" / "models" / "ranking" / "1").spec.question == "next-item"
    lines = done.out.splitlines()
    assert any(line.startswith("ahead of the best simpler ranking, ") for line in lines)
    assert lines[0].startswith("next-item: ")
    for name in ("popular", "own history", "VS-kNN", "TIFU-like", "blend 60/40", "LambdaMART + rules of home"):
        assert name in done.out
    assert lines[-4:] == [
        f"{tmp_path / 'run' / 'report.html'}",
        f"{bundle}",
        f"no model of {tmp_path / 'models'} scores: put one that does beside ranking to serve both",
        f"next: presage serve --models {tmp_path / 'models'}",
    ]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("--target", "purchase-in-session"), "--target: only valid without --rank; remove it"),
        (("--models", "stacking"), "--models: only valid without --rank; remove it"),
        (("--placements", "{tmp}/none.toml"), "none.toml: No such file or directory"),
        (("--placements", "{tmp}/rules.toml"), "rules.toml: home: unknown key 'max_per_categry'"),
        (("--items", "{tmp}/none.csv"), "none.csv: No such file or directory"),
        (("--items", "{tmp}/rules.toml"), "rules.toml"),
        (("--columns", "item_id=sku"), "--columns: only valid with --items; remove it"),
        (("--state-ttl-days", "-1"), "state_ttl_days: expected a number of days up to 3650, or 0 forever, got -1"),
        (("--bundle", "{tmp}/shop/version 1"), "--bundle: expected a folder NAME/VERSION, as in models/shop/1"),
        (("--bundle", "{tmp}/models/ranking"), "whose version is a number, got "),
    ],
)
def test_an_error_is_reported_in_one_line(train, tmp_path, arguments, message):
    (tmp_path / "rules.toml").write_text("[home]\nmax_per_categry = 2\n")
    done = train(*SHOP, "--to", tmp_path / "run", *(argument.format(tmp=tmp_path) for argument in arguments))

    assert (done.code, done.out) == (2, "")
    assert message in done.err
    assert done.err.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["rules.toml"]


def test_what_only_ranking_has_needs_the_flag(monkeypatch, capsys, tmp_path):
    done = run_here(monkeypatch, capsys, "train", *SHOP, "--to", tmp_path / "run", "--question", "next-item")

    assert (done.code, done.err) == (2, "presage train: --question: only valid with --rank; remove it\n")
