"""Checkouts of this repository, and commands that run with the packages of one of them."""

from __future__ import annotations

import hashlib
import json
import os
import signal
import subprocess
import sys
import tempfile
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

__all__ = [
    "CheckoutError",
    "CommandError",
    "check_imports",
    "checkout_of",
    "run_in",
    "same_dependencies",
    "this_checkout",
]

_ROOT = Path(__file__).resolve().parents[2]
_ENVIRONMENTS = ".benchmarks/environments"
"""Of revisions with other dependencies; `make clean` removes them."""
_STOP_SECONDS = 60.0
_LINES_OF_AN_ERROR = 12
_WHERE = """
import importlib, json, sys
print(json.dumps({name: importlib.import_module(name).__file__ for name in sys.argv[1:]}))
"""


class CheckoutError(ValueError):
    """A revision that does not exist or cannot be checked out; the message is one sentence."""


class CommandError(RuntimeError):
    """A command that failed in a checkout; the message ends with the reason that it printed."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Checkout:
    """A folder with the project in it, and an interpreter that has what it depends on."""

    folder: Path
    python: str = sys.executable

    @property
    def project(self) -> Mapping[str, Any]:
        """The content of pyproject.toml."""
        return tomllib.loads((self.folder / "pyproject.toml").read_text())

    @property
    def sources(self) -> list[Path]:
        """The folders of its packages."""
        return [self.folder / name for name in self.project["tool"]["hatch"]["build"]["dev-mode-dirs"]]

    @property
    def environment(self) -> dict[str, str]:
        """Variables with which its packages come before those that are installed."""
        return os.environ | {"PYTHONPATH": os.pathsep.join(map(str, [*self.sources, self.folder]))}


def this_checkout() -> Checkout:
    """Return the checkout of this file, with uncommitted changes."""
    return Checkout(folder=_ROOT)


@contextmanager
def checkout_of(revision: str) -> Iterator[Checkout]:
    """Check out a revision into a temporary folder, which is removed at the end.

    It uses this interpreter and its packages, or, if the revision has other dependencies, an environment that is made once for
    them.

    Raises:
        CheckoutError: There is no such revision, or it cannot be checked out.
        CommandError: Its dependencies cannot be installed.
    """
    commit = _commit(revision)
    with tempfile.TemporaryDirectory(prefix="presage-base-") as outer:
        folder = Path(outer).resolve() / "checkout"
        try:
            _git("worktree", "add", "--quiet", "--detach", str(folder), commit)
            base = Checkout(folder=folder)
            if not same_dependencies(this_checkout(), base):
                base = _with_environment(base)
            check_imports(base)
            yield base
        finally:
            # By its own path: there may be other worktrees of this repository.
            subprocess.run(
                ("git", "-C", str(_ROOT), "worktree", "remove", "--force", str(folder)),
                capture_output=True,
                check=False,
            )


def same_dependencies(one: Checkout, other: Checkout) -> bool:
    """Return whether two checkouts can share an environment."""
    return _dependencies(one) == _dependencies(other)


def check_imports(checkout: Checkout) -> None:
    """Check that imports in a checkout find its own packages: otherwise a revision would be compared with itself.

    Raises:
        CommandError: A package comes from elsewhere, or cannot be imported.
    """
    packages = [
        "benchmarks",
        *(path.parent.name for source in checkout.sources for path in source.glob("*/__init__.py")),
    ]
    where: dict[str, str] = json.loads(run_in(checkout, "-c", _WHERE, *packages))
    for name, file in where.items():
        if not Path(file).resolve().is_relative_to(checkout.folder.resolve()):
            raise CommandError(f"expected {name} to come from {checkout.folder}, but it comes from {file}")


def run_in(checkout: Checkout, *words: str) -> str:
    """Run the checkout's interpreter in it; returns what it prints.

    When this process is interrupted meanwhile, the command is interrupted first, and has a minute to clean up.

    Raises:
        CommandError: It fails.
    """
    with (
        subprocess.Popen(
            (checkout.python, *words),
            cwd=checkout.folder,
            env=checkout.environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,  # otherwise ctrl-C would reach it twice, and the second one would interrupt its cleaning up
        ) as process
    ):
        try:
            printed, _ = process.communicate()
        except BaseException:
            process.send_signal(signal.SIGINT)
            try:
                process.communicate(timeout=_STOP_SECONDS)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGKILL)
            raise
    if process.returncode:
        raise CommandError(f"{' '.join(words[:3])} failed in {checkout.folder}:\n{_reason(printed)}")
    return printed


def _reason(printed: str) -> str:
    """Choose the lines that pytest marks as the reason, or else the last ones."""
    lines = printed.strip().splitlines()
    marked = [line for line in lines if line.startswith(("E  ", "FAILED", "ERROR"))]
    return "\n".join((marked or lines)[-_LINES_OF_AN_ERROR:])


def _dependencies(checkout: Checkout) -> str:
    """Describe what an environment of a checkout has to hold."""
    project, constraints = checkout.project["project"], checkout.folder / "constraints.txt"
    parts = [project.get(key) for key in ("dependencies", "optional-dependencies", "scripts", "entry-points")]
    return json.dumps([*parts, constraints.read_text() if constraints.exists() else ""], sort_keys=True)


def _with_environment(checkout: Checkout) -> Checkout:
    """Make an environment for a checkout's dependencies, unless an earlier run has made one."""
    key = hashlib.sha256(_dependencies(checkout).encode()).hexdigest()[:16]
    environment = _ROOT / _ENVIRONMENTS / key
    made = Checkout(folder=checkout.folder, python=str(environment / "bin" / "python"))
    installed = environment / "installed"
    if not installed.exists():
        run_in(checkout, "-m", "venv", "--clear", str(environment))
        pinned = ("-c", "constraints.txt") if (checkout.folder / "constraints.txt").exists() else ()
        run_in(made, "-m", "pip", "install", "--quiet", "--disable-pip-version-check", *pinned, "-e", ".[dev]")
        installed.touch()
    return made


def _commit(revision: str) -> str:
    try:
        return _git("rev-parse", "--verify", "--quiet", f"{revision}^{{commit}}").strip()
    except CheckoutError as error:
        raise CheckoutError(f"expected a revision of this repository, got {revision!r}") from error


def _git(*words: str) -> str:
    command: Sequence[str] = ("git", "-C", str(_ROOT), *words)
    try:
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout
    except OSError as error:
        raise CheckoutError("git is needed and is not here") from error
    except subprocess.CalledProcessError as error:
        raise CheckoutError(f"git {words[0]}: {error.stderr.strip()}") from error
