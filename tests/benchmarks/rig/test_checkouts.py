from __future__ import annotations

import os
import signal
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from benchmarks.rig import checkouts
from benchmarks.rig.checkouts import (
    Checkout,
    CheckoutError,
    CommandError,
    check_imports,
    checkout_of,
    run_in,
    same_dependencies,
    this_checkout,
)

PROJECT = """
[project]
dependencies = ["msgspec"]
[tool.hatch.build]
dev-mode-dirs = ["source"]
"""
PRINT_WORD = "import package; print(package.WORD)"
INTERRUPTED = """
import os, pathlib, signal, time
try:
    os.kill(os.getppid(), signal.SIGUSR1)
    time.sleep(30)
except KeyboardInterrupt:
    pathlib.Path("cleared").touch()
"""


def git(folder, *words):
    identity = ("-c", "user.name=test", "-c", "user.email=test@localhost", "-c", "commit.gpgsign=false")
    return subprocess.run(("git", "-C", folder, *identity, *words), check=True, capture_output=True, text=True).stdout


@pytest.fixture
def repository(tmp_path, monkeypatch):
    """A small repository in place of this one: its commit says "base", its working tree "this"."""
    for name in ("GIT_DIR", "GIT_WORK_TREE", "GIT_INDEX_FILE"):
        monkeypatch.delenv(name, raising=False)
    folder = tmp_path / "repository"
    for package in ("benchmarks", "source/package"):
        (folder / package).mkdir(parents=True)
        (folder / package / "__init__.py").write_text('WORD = "base"\n')
    (folder / "pyproject.toml").write_text(PROJECT)
    git(tmp_path, "init", "--quiet", str(folder))
    git(folder, "add", "--all")
    git(folder, "commit", "--quiet", "--message", "base")
    (folder / "source/package/__init__.py").write_text('WORD = "this"\n')
    monkeypatch.setattr(checkouts, "_ROOT", folder)
    return folder


def worktrees(repository):
    return len(git(repository, "worktree", "list").splitlines())


def test_a_revision_is_checked_out_and_what_it_holds_is_imported(repository):
    with checkout_of("HEAD") as base:
        assert run_in(base, "-c", PRINT_WORD) == "base\n"
        assert run_in(this_checkout(), "-c", PRINT_WORD) == "this\n"
        assert worktrees(repository) == 2

    assert worktrees(repository) == 1
    assert not base.folder.parent.exists()


def test_nothing_is_left_when_it_is_broken_off(repository):
    with pytest.raises(KeyboardInterrupt), checkout_of("HEAD") as base:
        raise KeyboardInterrupt

    assert worktrees(repository) == 1
    assert not base.folder.parent.exists()


def test_other_worktrees_stay(repository, tmp_path):
    git(repository, "worktree", "add", "--quiet", "--detach", str(tmp_path / "another"))
    with checkout_of("HEAD"):
        pass

    assert worktrees(repository) == 2
    assert (tmp_path / "another" / "pyproject.toml").exists()


@pytest.mark.parametrize("revision", ["no-such-revision", "", "--all", "HEAD:pyproject.toml"])
def test_what_is_no_revision_is_said(repository, revision):
    with pytest.raises(CheckoutError) as caught, checkout_of(revision):
        pass

    assert str(caught.value) == f"expected a revision of this repository, got {revision!r}"
    assert worktrees(repository) == 1


def test_a_revision_with_other_dependencies_gets_an_environment_of_its_own(repository, monkeypatch):
    made = []
    monkeypatch.setattr(checkouts, "_with_environment", lambda checkout: made.append(checkout) or checkout)
    with checkout_of("HEAD"):
        assert made == []
    (repository / "constraints.txt").write_text("msgspec==0.20\n")
    with checkout_of("HEAD"):
        assert len(made) == 1


def test_an_environment_is_made_once(repository, monkeypatch):
    commands = []
    monkeypatch.setattr(
        checkouts,
        "run_in",
        lambda _, *words: commands.append(words) or Path(words[-1]).mkdir(parents=True, exist_ok=True),
    )
    first = checkouts._with_environment(this_checkout())

    assert [words[1] for words in commands] == ["venv", "pip"]
    assert checkouts._with_environment(this_checkout()) == first
    assert len(commands) == 2
    (repository / "constraints.txt").write_text("msgspec==0.20\n")
    assert checkouts._with_environment(this_checkout()).python != first.python


@pytest.mark.parametrize(
    "change",
    [("msgspec", "numpy"), ("[tool.", '[project.optional-dependencies]\ntrain = ["onnx"]\n[tool.')],
)
def test_dependencies_are_what_pyproject_and_the_constraints_say(repository, tmp_path, change):
    one = this_checkout()
    other = replace(one, folder=tmp_path)
    (tmp_path / "pyproject.toml").write_text(PROJECT + '[tool.ruff]\nselect = ["ALL"]\n')
    assert same_dependencies(one, other)
    (tmp_path / "pyproject.toml").write_text(PROJECT.replace(*change))
    assert not same_dependencies(one, other)


def test_packages_that_come_from_elsewhere_are_found_out(repository, tmp_path, monkeypatch):
    elsewhere = tmp_path / "elsewhere" / "package"
    elsewhere.mkdir(parents=True)
    (elsewhere / "__init__.py").touch()
    check_imports(this_checkout())
    monkeypatch.setattr(Checkout, "environment", property(lambda _: os.environ | {"PYTHONPATH": str(elsewhere.parent)}))

    with pytest.raises(CommandError, match="expected package to come from"):
        check_imports(this_checkout())


def test_an_error_ends_with_the_reason(repository):
    script = "print('before'); print('E   AssertionError: 1 is not 2'); print('after'); raise SystemExit(1)"
    with pytest.raises(CommandError) as caught:
        run_in(this_checkout(), "-c", script)

    assert str(caught.value).endswith(":\nE   AssertionError: 1 is not 2")


def test_a_command_clears_up_before_it_is_left(repository):
    def interrupt(*_):
        raise KeyboardInterrupt

    before = signal.signal(signal.SIGUSR1, interrupt)
    try:
        with pytest.raises(KeyboardInterrupt):
            run_in(this_checkout(), "-c", INTERRUPTED)
    finally:
        signal.signal(signal.SIGUSR1, before)

    assert (repository / "cleared").exists()
