"""``presage version``, which ``presage --version`` is too."""

from __future__ import annotations

from importlib.metadata import version as installed_version

__all__ = ["version"]


def version() -> None:
    """Print Presage's version."""
    print(f"presage {installed_version('presage-scoring')}")  # noqa: T201 - this is what the command is for
