"""The ``presage`` command, as a process."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
from importlib.metadata import version
from pathlib import Path

import pytest

PRESAGE = Path(sysconfig.get_path("scripts"), "presage")


def run(*arguments: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"COLUMNS": "200", "NO_COLOR": "1"}
    return subprocess.run([PRESAGE, *arguments], capture_output=True, text=True, env=environment, check=False)


@pytest.mark.parametrize("argument", ["version", "--version"])
def test_version(argument):
    finished = run(argument)
    assert (finished.returncode, finished.stdout, finished.stderr) == (0, f"presage {version('presage-scoring')}\n", "")


@pytest.mark.parametrize("flag", ["--help", "-h"])
def test_help_lists_the_commands(flag):
    finished = run(flag)
    assert finished.returncode == 0
    for command in ("serve", "demo", "replay", "train", "version"):
        assert f"│ {command} " in finished.stdout


def test_help_of_serve_shows_its_flags_and_no_path_of_this_machine():
    finished = run("serve", "--help")
    assert finished.returncode == 0
    assert "--redis-url" in finished.stdout
    assert "PRESAGE_REDIS_URL" in finished.stdout
    assert str(Path.cwd()) not in finished.stdout


def test_an_unknown_command_is_rejected():
    finished = run("sevre")
    assert finished.returncode == 2
    assert "No such command 'sevre'" in finished.stderr


def test_serve_needs_no_training_library():
    """The help of serve, in a process that cannot import the training libraries."""
    program = """
import sys
for missing in ("lightgbm", "onnx", "pyarrow", "sklearn"):
    sys.modules[missing] = None
from presage_server.cli.command_line import main
main()
"""
    for arguments in (["serve", "--help"], ["--help"], ["version"], ["--version"]):
        finished = subprocess.run(
            [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=False
        )
        assert finished.returncode == 0, finished.stderr
