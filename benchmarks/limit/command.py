"""The command lines of the C++ servers."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.rig.server_parts import COMMIT_SCRIPT, shipped_models

__all__ = ["echo_command", "service_command"]

_DATA = Path(__file__).parents[2] / "tests" / "data"


def echo_command(program: Path, *, threads: int = 1) -> list[str]:
    """Return the command of the server that does nothing.

    Args:
        program: That was built.
        threads: That read calls.
    """
    return [str(program), "--threads", str(threads)]


def service_command(program: Path, url: str, *, threads: int = 1) -> list[str]:
    """Return the command of the server that does by hand what the shipped model needs.

    Args:
        program: That was built.
        url: Of its store, on a unix socket.
        threads: That read calls.
    """
    version = _model_version()
    words = {
        "socket": urlsplit(url).path,
        "model": _DATA / f"conversion-{version}.txt",
        "model-version": version,
        "script": COMMIT_SCRIPT,
    }
    options = [word for name, value in words.items() for word in (f"--{name}", str(value))]
    return [*echo_command(program, threads=threads), *options]


def _model_version() -> str:
    """Find the version of the shipped model that is served."""
    return max((path.name for path in (shipped_models() / "conversion").iterdir() if path.name.isdigit()), key=int)
