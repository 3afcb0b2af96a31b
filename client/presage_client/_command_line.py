"""The ``presage`` console script, which every install has and only ``presage-scoring[server]`` can run."""

from __future__ import annotations

import sys
from importlib import import_module

__all__ = ["main"]


def main() -> int:
    """Run the command line; with the client alone installed, say in one line what it needs and answer 2."""
    try:
        # By name, so that no import ties the client to the server.
        command_line = import_module("presage_server.cli.command_line")
    except ModuleNotFoundError as error:
        # One of our own modules missing is a broken install, which no extra mends.
        if (error.name or "").startswith("presage"):
            raise
        sys.stderr.write(f"presage: the command line needs pip install 'presage-scoring[server]' ({error})\n")
        return 2
    command_line.main()
    return 0
