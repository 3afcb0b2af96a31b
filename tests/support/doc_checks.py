"""What is checked of commands in the docs that no test runs."""

from __future__ import annotations

import re
import shlex
import subprocess
import tomllib
from collections.abc import Collection
from pathlib import Path
from typing import Any

from presage_featurizer.event_log import PARTITIONS, stream_key
from presage_server.cli.command_line import _Commands
from support.doc_blocks import ROOT

_TARGET = re.compile(r"^([a-z][a-z-]*):", re.MULTILINE)
_INSTALLED = re.compile(r"(?:\.|presage-scoring)(?:\[([a-z,]+)\])?")
_HELP = ("--help", "-h")


def check_make(command: str) -> None:
    """Raise ValueError if ``make`` is to make a target that the Makefile lacks."""
    words = shlex.split(command, comments=True)[1:]
    targets = _TARGET.findall((ROOT / "Makefile").read_text())
    _require([word for word in words if "=" not in word and not word.startswith("-")], targets, "a target")


def check_pip(command: str) -> None:
    """Raise ValueError if something other than Presage is installed, or an extra that it lacks."""
    known = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for word in shlex.split(command, comments=True)[2:]:
        installed = _INSTALLED.fullmatch(word)
        if installed is None:
            raise ValueError(f"expected '.' or 'presage-scoring', perhaps with extras, got {word!r}")
        _require((installed[1] or "").split(",") if installed[1] else (), known, "an extra")


def check_deploy(command: str) -> None:
    """Raise ValueError if a command names a file of ``deploy/``, a unit or a setting that there is not."""
    for word in shlex.split(command, comments=True):
        if word.startswith("deploy/") and not (ROOT / word).exists():
            raise ValueError(f"expected a file of this repository, got {word}")
        if word.endswith(".service") and not (ROOT / "deploy" / "systemd" / Path(word).name).exists():
            raise ValueError(f"expected a unit of deploy/systemd, got {word}")


def check_streams(command: str) -> None:
    """Raise ValueError if a loop does not remove a group from every event stream."""
    loop = command.replace("redis-cli", "echo")
    removed = subprocess.run(["sh", "-c", loop], capture_output=True, text=True, check=True).stdout.splitlines()
    streams = [line.removeprefix("XGROUP DESTROY ").split()[0] for line in removed]
    if streams != [stream_key(number) for number in range(PARTITIONS)]:
        raise ValueError(f"expected all of {PARTITIONS} streams, got {removed[:3]} and so on")


def check_presage(command: str) -> None:
    """Raise ValueError if ``presage`` lacks the sub-command or one of its options."""
    words = shlex.split(command, comments=True)[1:]
    parser: Any = _Commands()
    while hasattr(parser, "get_command") and words and not words[0].startswith("-"):
        parser = parser.get_command(None, words.pop(0))
    if parser is None:
        raise ValueError(f"expected a command of presage, got {command!r}")
    known = {name for option in parser.params for name in (*option.opts, *option.secondary_opts)}
    _require([word.partition("=")[0] for word in words if word.startswith("--")], {*known, *_HELP}, "an option")


def _require(words: Collection[str], known: Collection[str], what: str) -> None:
    unknown = [word for word in words if word not in known]
    if unknown:
        raise ValueError(f"expected {what}, one of {', '.join(known)}; got {', '.join(unknown)}")
