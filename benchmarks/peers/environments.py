"""A virtual environment for each peer, made on demand and kept until its requirements change."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path

from benchmarks.peers.peer import Peer, pinned

__all__ = ["ENVIRONMENTS", "EnvironmentMakingError", "environment_python", "installed_versions"]

ENVIRONMENTS = Path(__file__).parent / ".venvs"
"""Where the virtual environments lie; git ignores it."""

_MAKING_SECONDS = 900.0
_SHOWN_LINES = 8
_REASONS = ("ERROR", "error", "hint", "Because")


class EnvironmentMakingError(RuntimeError):
    """A peer cannot be installed here; the message is what the installer printed."""


def environment_python(peer: Peer) -> Path:
    """Make a peer's virtual environment unless it is there, with uv where it is installed.

    Returns:
        Its interpreter.

    Raises:
        EnvironmentMakingError: Something cannot be installed.
    """
    folder = ENVIRONMENTS / peer.name
    python = folder / "bin" / "python"
    stamp = folder / "requirements.sha256"
    # With the path: the programs of an environment begin with it, so that a moved one is broken.
    parts = (sys.version, str(folder), *pinned(peer.requirements))
    wanted = hashlib.sha256("\n".join(parts).encode()).hexdigest()
    if stamp.exists() and stamp.read_text() == wanted:
        return python
    if folder.exists():
        shutil.rmtree(folder)
    print(f"{peer.name}: making its virtual environment, once", flush=True)
    if uv := shutil.which("uv"):
        _run([uv, "venv", "--quiet", "--python", sys.executable, str(folder)])
        _run([uv, "pip", "install", "--quiet", "--python", str(python), "-r", str(peer.requirements)])
    else:
        _run([sys.executable, "-m", "venv", str(folder)])
        _run([str(python), "-m", "pip", "install", "--quiet", "-r", str(peer.requirements)])
    stamp.write_text(wanted)
    return python


def installed_versions(peer: Peer) -> dict[str, str]:
    """List the versions of everything in a peer's virtual environment."""
    folder = ENVIRONMENTS / peer.name / "lib"
    infos = (path.name.removesuffix(".dist-info") for path in folder.glob("python*/site-packages/*.dist-info"))
    parts = (info.rpartition("-") for info in infos)
    return dict(sorted((name, version) for name, _, version in parts))


def _run(command: list[str]) -> None:
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    try:
        done = subprocess.run(
            command, check=False, capture_output=True, text=True, timeout=_MAKING_SECONDS, env=environment
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise EnvironmentMakingError(f"{command[0]}: {error}") from error
    if done.returncode:
        printed = (done.stderr or done.stdout).splitlines()
        reasons = [line for line in printed if line.startswith(_REASONS)] or printed
        raise EnvironmentMakingError("\n".join(line[:300] for line in reasons[-_SHOWN_LINES:]))
