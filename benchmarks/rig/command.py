"""What the commands of the load benchmarks have in common: options, exit codes, and a file of figures."""

from __future__ import annotations

import argparse
import json
import signal
import subprocess
import sysconfig
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from benchmarks.rig.checkouts import CheckoutError, CommandError

__all__ = [
    "FAILED",
    "INTERRUPTED",
    "MISSING",
    "USAGE",
    "MissingRequirementError",
    "load_options",
    "run_benchmark",
    "run_presage",
    "wide_console",
    "write_json",
]

FAILED = 1
"""Exit code: a server failed or gave a wrong answer, or what was measured is not what it has to be."""
USAGE = 2
"""Exit code: an option has a value that cannot be used; argparse has the same."""
MISSING = 3
"""Exit code: this machine lacks a compiler or a package that the benchmark needs, so nothing was measured."""
INTERRUPTED = 130
"""Exit code: stopped by ctrl-C or SIGTERM."""

_WIDTH = 140


class MissingRequirementError(Exception):
    """This machine lacks a compiler or a package; the message names it."""


def load_options(module: str, *, rounds: int, seconds: float, visitors: int = 100_000) -> argparse.ArgumentParser:
    """Make a command line with the options of every load benchmark."""
    parser = argparse.ArgumentParser(prog=f"python -m benchmarks.{module}")
    parser.add_argument("--visitors", type=int, default=visitors, help="visitors in the store (default: %(default)s)")
    parser.add_argument("--rounds", type=int, default=rounds, help="how often each load is made (default: %(default)s)")
    parser.add_argument("--seconds", type=float, default=seconds, help="length of each load (default: %(default)s)")
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    return parser


def run_benchmark(name: str, benchmark: Callable[[Console], int]) -> int:
    """Run a benchmark, and turn the errors that it is expected to raise into one line and an exit code.

    Args:
        name: The name that the line begins with, such as ``bench-wire``.
        benchmark: Takes the console to print to; returns an exit code.
    """
    console = wide_console()
    # Also where a shell started this with ctrl-C ignored: all that was started ends, and other checkouts are removed.
    handlers = {number: signal.signal(number, signal.default_int_handler) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        return benchmark(console)
    except KeyboardInterrupt:
        message, code = "stopped", INTERRUPTED
    except MissingRequirementError as error:
        message, code = str(error), MISSING
    except CheckoutError as error:
        message, code = str(error), USAGE
    except (CommandError, RuntimeError) as error:
        message, code = str(error), FAILED
    finally:
        for number, handler in handlers.items():
            signal.signal(number, handler)
    console.print(f"{name}: {message}", markup=False, highlight=False, soft_wrap=True)
    return code


def run_presage(*words: str) -> str:
    """Run a command of ``presage`` to its end, and return what it prints; raises RuntimeError if it fails."""
    presage = Path(sysconfig.get_path("scripts"), "presage")
    done = subprocess.run([presage, *words], capture_output=True, text=True, check=False)
    if done.returncode:
        raise RuntimeError(f"presage {words[0]} failed: {done.stderr.strip()}")
    return done.stdout


def wide_console() -> Console:
    """Make a console with room for the tables, also where there is no terminal that has a width."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)


def write_json(path: Path | None, content: Any) -> None:
    """Write figures to a file; does nothing without one."""
    if path is not None:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(content, indent=1) + "\n")
