"""The Dockerfile: linted, and in keeping with the project."""

from __future__ import annotations

import shutil
import subprocess
import sysconfig
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "deploy" / "docker" / "Dockerfile"


def instructions() -> list[str]:
    """Return the instructions, each on one line."""
    text = DOCKERFILE.read_text().replace("\\\n", " ")
    return [" ".join(line.split()) for line in text.splitlines() if line and not line.startswith("#")]


def test_hadolint_finds_nothing():
    hadolint = shutil.which("hadolint", path=sysconfig.get_path("scripts")) or shutil.which("hadolint")
    if hadolint is None:
        pytest.skip("hadolint is not installed: make setup")
    done = subprocess.run([hadolint, DOCKERFILE], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_all_packages_and_models_get_into_it():
    folders = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["hatch"]["build"]["dev-mode-dirs"]
    copied = [line.split()[1] for line in instructions() if line.startswith("COPY") and "--from" not in line]
    let_in = DOCKERFILE.with_name("Dockerfile.dockerignore").read_text().splitlines()
    assert {*folders, "models"} <= set(copied)
    assert {f"!{folder}" for folder in (*folders, "models")} <= set(let_in)


def test_it_runs_as_nobody_in_particular_and_says_whether_it_serves():
    lines = instructions()
    assert [line for line in lines if line.startswith("USER")] == ["USER 10001:10001"]
    assert any(line.endswith('CMD ["presage", "health"]') for line in lines if line.startswith("HEALTHCHECK"))
    assert lines[-2:] == ['ENTRYPOINT ["presage"]', 'CMD ["serve"]']
