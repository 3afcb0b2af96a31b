"""``presage models`` on real folders: who serves is shown and changed, and no change names what cannot be served."""

from __future__ import annotations

import getpass
import shutil
from dataclasses import dataclass
from pathlib import Path

import pytest
from typer.testing import CliRunner

from presage_export.registry import Aliases, read_aliases, read_changes
from presage_server.models.command import models as command
from support.bundle_files import as_older_format, copy_bundle
from support.rankings import write_ranking_bundle


@dataclass(frozen=True)
class Desk:
    """A folder with ``conversion`` 1 to 4, of which 3 is broken."""

    folder: Path

    def run(self, *arguments: object) -> tuple[int, str, str]:
        given = [*map(str, arguments), "--models", str(self.folder)]
        done = CliRunner().invoke(command, given, env={"COLUMNS": "200"})
        return done.exit_code, done.stdout, done.stderr

    def change(self, *arguments: object) -> str:
        code, out, errors = self.run(*arguments)
        assert (code, errors) == (0, "")
        return out

    def refused(self, *arguments: object) -> str:
        before = self.aliases, self.history
        code, out, errors = self.run(*arguments)
        assert (code, out) == (2, "")
        assert (self.aliases, self.history) == before
        assert len(errors.splitlines()) == 1
        return errors

    @property
    def aliases(self) -> Aliases:
        return read_aliases(self.folder / "conversion")

    @property
    def history(self) -> list[tuple[str, str, str]]:
        changes = read_changes(self.folder / "conversion")
        return [(change.changed_by, change.after.champion, change.reason) for change in changes]


@pytest.fixture
def desk(models, tmp_path):
    folder = tmp_path / "models"
    shutil.copytree(models / "conversion", folder / "conversion")
    for version in "234":
        copy_bundle(folder / "conversion" / "1", folder / "conversion" / version)
    (folder / "conversion" / "3" / "golden.npz").write_bytes(b"broken")
    return Desk(folder)


def test_a_version_goes_from_a_trial_to_all_visitors_and_back(desk):
    assert desk.change("promote", "conversion", 1, "--by", "ann", "--reason", "the first") == (
        "presage models promote: conversion: champion none -> 1; revision 1\n"
    )
    assert "challenger none -> 4, challenger_share 0 -> 0.1, salt none -> " in desk.change(
        "split", "conversion", 4, 0.1, "--by", "ann", "--reason", "fresh data"
    )
    salt = desk.aliases.salt
    desk.change("split", "conversion", 4, 0.5, "--by", "ann", "--reason", "goes well")
    assert (desk.aliases.challenger_share, desk.aliases.salt) == (0.5, salt)
    desk.change("promote", "conversion", "--by", "bob", "--reason", "better in pairs")
    assert (desk.aliases.champion, desk.aliases.challenger, desk.aliases.challenger_share) == ("4", "", 0.0)
    desk.change("rollback", "conversion", "--by", "bob", "--reason", "carts are empty")
    assert (desk.aliases.champion, desk.aliases.challenger, desk.aliases.challenger_share) == ("1", "4", 0.5)
    assert desk.change("split", "conversion", "--off", "--by", "bob") == (
        "presage models split: conversion: challenger 4 -> none, challenger_share 0.5 -> 0; revision 6\n"
    )
    assert desk.history == [
        ("ann", "1", "the first"),
        ("ann", "1", "fresh data"),
        ("ann", "1", "goes well"),
        ("bob", "4", "better in pairs"),
        ("bob", "1", "carts are empty"),
        ("bob", "1", ""),
    ]


def test_a_shadow_is_set_and_taken_away(desk):
    assert desk.change("shadow", "conversion", 2) == (
        "presage models shadow: conversion: champion none -> 4, shadow none -> 2; revision 1\n"
    )
    assert desk.change("shadow", "conversion", "--off") == (
        "presage models shadow: conversion: shadow 2 -> none; revision 2\n"
    )


def test_each_new_challenger_draws_visitors_of_its_own(desk):
    desk.change("split", "conversion", 1, 0.1)
    salt = desk.aliases.salt
    desk.change("split", "conversion", 2, 0.1)
    assert len(desk.aliases.salt) == 16
    assert desk.aliases.salt != salt


def test_what_is_so_already_is_no_change(desk):
    desk.change("promote", "conversion", 4)
    assert "nothing was changed" in desk.change("promote", "conversion", 4)
    assert "nothing was changed" in desk.change("split", "conversion", "--off")
    assert desk.aliases.revision == 1


def test_who_changed_it_is_the_login_name_unless_given(desk):
    desk.change("promote", "conversion", 1)
    assert desk.history == [(getpass.getuser(), "1", "")]


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("promote", "conversion", 3), "conversion 3 cannot be served, so nothing was changed"),
        (("split", "conversion", 3, 0.1), "conversion 3 cannot be served, so nothing was changed"),
        (("shadow", "conversion", 3), "conversion 3 cannot be served, so nothing was changed"),
        (("promote", "conversion", 9), "conversion: expected one of its versions 1, 2, 3, 4, got 9"),
        (("promote", "conversion", "../1"), "champion: expected a version such as 3 or 3.1, got '../1'"),
        (("promote", "conversion"), "champion: there is no challenger to promote; name a version"),
        (("promote", "conversion/1"), "model: expected a name and a version apart, as in: conversion 1, got"),
        (("promote", "other", 1), "model: expected one of ['conversion'], as in"),
        (("split", "conversion", 1, 1.5), "challenger_share: expected 0 to 1, got 1.5"),
        (("split", "conversion", 4, 0.1), "challenger: 4 serves already; name another version"),
        (("split", "conversion", 1), "expected a VERSION and a SHARE"),
        (("split", "conversion"), "expected a VERSION and a SHARE"),
        (("shadow", "conversion"), "expected either a VERSION"),
        (("shadow", "conversion", 1, "--off"), "expected either a VERSION"),
        (("shadow", "conversion", 4), "shadow: expected not the champion, got '4'"),
        (("rollback", "conversion"), "changes.jsonl: has no change to roll back"),
        (("promote", "conversion", 1, "--project", "nowhere"), "project: nowhere: holds no features.toml"),
    ],
    ids=lambda value: " ".join(map(str, value)) if isinstance(value, tuple) else "",
)
def test_what_cannot_be_is_refused_with_one_line_and_changes_nothing(desk, arguments, reason):
    errors = desk.refused(*arguments)
    assert errors.startswith(f"presage models {arguments[0]}: ")
    assert reason in errors


def test_the_installed_models_are_never_changed_by_default():
    done = CliRunner().invoke(command, ["promote", "conversion", "3"], env={"COLUMNS": "200", "PRESAGE_MODELS": None})
    assert (done.exit_code, done.stdout) == (2, "")
    assert "expected the folder of bundles that servers use, with --models or in PRESAGE_MODELS" in done.stderr


def test_a_broken_version_can_be_dropped_and_what_serves_cannot_become_broken(desk):
    desk.change("promote", "conversion", 1)
    desk.change("split", "conversion", 4, 0.1)
    (desk.folder / "conversion" / "4" / "model.onnx").write_bytes(b"broken")
    assert "conversion 4 cannot be served" in desk.refused("promote", "conversion")
    desk.change("split", "conversion", "--off")
    assert "conversion 4 cannot be served" in desk.refused("rollback", "conversion")
    assert desk.aliases.challenger == ""


def test_a_ranking_version_among_scoring_ones_is_refused(desk, tmp_path):
    write_ranking_bundle(tmp_path / "ranked")
    copy_bundle(tmp_path / "ranked" / "ranking" / "1", desk.folder / "conversion" / "5")
    assert "version 5 ranks items and version 1 scores visitors" in (
        desk.change("promote", "conversion", 1) and desk.refused("split", "conversion", 5, 0.1)
    )


def test_ranking_models_are_changed_in_the_same_way(tmp_path):
    write_ranking_bundle(tmp_path)
    copy_bundle(tmp_path / "ranking" / "1", tmp_path / "ranking" / "2")
    desk = Desk(tmp_path)
    desk.change("promote", "ranking", 1)
    desk.change("split", "ranking", 2, 0.1)
    assert "challenger: 2, 0.1 of visitors" in desk.change("show", "ranking")


def test_broken_aliases_are_refused_until_they_are_rolled_back(desk):
    desk.change("promote", "conversion", 1)
    desk.change("promote", "conversion", 2)
    (desk.folder / "conversion" / "aliases.json").write_text('{"champion": 2}')
    code, _, errors = desk.run("promote", "conversion", 1)
    assert code == 2
    assert "presage models rollback puts the last valid ones back" in errors
    code, out, errors = desk.run("list")
    assert code == 2
    assert "presage models rollback" in errors
    assert "conversion" in out
    assert desk.change("rollback", "conversion") == (
        "presage models rollback: conversion: the last valid aliases are back; revision 3\n"
    )
    assert desk.aliases.champion == "2"


def test_the_list_says_what_each_version_serves_as(desk):
    desk.change("promote", "conversion", 1)
    desk.change("split", "conversion", 4, 0.1)
    code, out, _ = desk.run("list")
    rows = {line.split()[1]: line for line in out.splitlines() if line.strip().startswith("conversion")}
    assert code == 2, "3 is broken"
    assert "champion" in rows["1"]
    assert "challenger, 0.1" in rows["4"]
    assert "champion" not in rows["2"] + rows["4"]


def test_without_aliases_the_highest_version_that_can_be_served_is_listed_as_the_champion(desk):
    _, out, _ = desk.run("list")
    assert [line.split()[1] for line in out.splitlines() if "champion" in line] == ["4"]


def test_a_model_is_shown_with_all_that_is_known_of_it(desk):
    desk.change("promote", "conversion", 1, "--by", "ann", "--reason", "the first")
    code, out, errors = desk.run("show", "conversion")
    lines = [line.strip() for line in out.splitlines()]
    assert (code, errors) == (2, "")
    assert "champion: 1" in lines
    assert "1: champion" in lines
    assert "2: available" in lines
    assert any(line.startswith("3: cannot be served: ") and "expected SHA-256" in line for line in lines)
    assert "version 1:" in lines
    assert any(line.startswith("features: conversion (20), fingerprint ") for line in lines)
    assert any(line.startswith("golden check: 64 rows, largest difference ") for line in lines)
    assert lines[-2] == "changes, the newest first:"
    assert lines[-1].endswith('UTC, ann, revision 1: champion none -> 1: "the first"')


def test_the_shipped_model_is_shown_with_its_metrics_and_training_data():
    done = CliRunner().invoke(command, ["show", "ranking"])
    lines = [line.strip() for line in done.stdout.splitlines()]
    assert done.exit_code == 0
    assert {"metrics:", "training data:", "libraries:", "importances:"} <= set(lines)
    assert "source: simulated-shop-with-lists" in lines


def test_what_an_old_bundle_lacks_is_shown_and_not_guessed(desk):
    as_older_format(desk.folder / "conversion" / "1", 1)
    _, out, _ = desk.run("show", "conversion", 1)
    assert "missing: importances: it was trained by a release that did not write them" in out
    assert "missing: golden scores" in out
    assert "importances:\n" not in out


def test_versions_are_verified(desk):
    code, out, errors = desk.run("verify")
    assert code == 2
    assert [line.partition(";")[0] for line in out.splitlines()] == [
        f"conversion {version}: can be served" for version in (1, 2, 4)
    ]
    assert "conversion/3/golden.npz: expected SHA-256" in errors
    assert desk.run("verify", "conversion", 1)[0] == 0
    assert desk.run("verify", "conversion", 9) == (
        2,
        "",
        (
            f"presage models verify: models: no bundle found of conversion 9 under {desk.folder}; expected "
            "<name>/<version>/manifest.json\n"
        ),
    )


def test_lines_of_the_history_that_cannot_be_read_are_named(desk):
    path = desk.folder / "conversion" / "changes.jsonl"
    for version in "12":
        desk.change("promote", "conversion", version)
    first, second = path.read_bytes().splitlines()
    path.write_bytes(b"\n".join([first, b"junk", second, b"{"]) + b"\n")
    problem = f"{path}: 2 of 4 lines cannot be read and are left out: 2, 4"

    code, out, _ = desk.run("show", "conversion")
    assert out.splitlines()[-1] == f"  {problem}"
    code, out, errors = desk.run("rollback", "conversion")
    assert (code, errors) == (0, f"presage models rollback: {problem}\n")
    assert desk.aliases.champion == "1"


def test_a_history_of_nothing_but_junk_is_not_taken_for_none(desk):
    path = desk.folder / "conversion" / "changes.jsonl"
    path.write_bytes(b"\x00\xffjunk\n")

    _, out, _ = desk.run("show", "conversion")
    assert out.splitlines()[-2:] == ["changes: none", f"  {path}: 1 of 1 lines cannot be read and are left out: 1"]
    assert "1 of 1 lines cannot be read" in desk.refused("rollback", "conversion")
