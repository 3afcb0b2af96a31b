"""``python -m benchmarks.retraining.again ARCHIVE MODELS``: ``presage learn`` trains again and again, until this is ended.

Each time it finds an archive that it has not seen before, trains, and registers a challenger, which is then dropped, as an operator
would, so that the next one may be tried. For each, a line of JSON says what it took.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from presage_export.registry import drop_challenger, read_aliases, replace_aliases
from presage_training.learning.state import STATE_FILE

__all__ = ["NAME", "learn_command", "main"]

NAME = "conversion"
"""The model that learns."""

_EACH_PASSES = ("--tolerance", "10", "--slice-tolerance", "10")
"""The gate is open, so that each new version is handed over to the server."""
_HAND_OVER_SECONDS = 1.5
"""How long a challenger stays: long enough for a server to load it."""


def learn_command(*flags: str) -> tuple[str, ...]:
    """Make a command line of ``presage learn``; nobody is held out, and no challenger gets visitors, for those would cost, too."""
    return (sys.executable, "-m", "presage_server", "learn", "--name", NAME, "--share", "0", "--holdout-share", "0", *flags)


def main(arguments: Sequence[str]) -> None:
    """Learn until SIGTERM."""
    archive, models = map(Path, arguments)
    flags = ("--once", "--after-purchases", "1", "--cooldown-hours", "0", *_EACH_PASSES)
    while True:
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        learned = subprocess.run(
            learn_command(str(archive), "--models", str(models), *flags), capture_output=True, text=True, check=False
        )
        if learned.returncode:
            sys.exit(learned.stderr)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        aliases = read_aliases(models / NAME)
        if not aliases.challenger:
            sys.exit(f"expected a challenger, but presage learn said: {learned.stdout}")
        print(
            json.dumps(
                {
                    "version": aliases.challenger,
                    "cpu_seconds": after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime,
                    "peak_mb": after.ru_maxrss * 1_024 / 1e6,
                }
            ),
            flush=True,
        )
        time.sleep(_HAND_OVER_SECONDS)
        replace_aliases(
            models / NAME,
            drop_challenger(aliases),
            now_unix_micros=time.time_ns() // 1_000,
            changed_by="benchmark",
            reason="the next one is to be tried",
        )
        (models / NAME / STATE_FILE).unlink()


if __name__ == "__main__":
    main(sys.argv[1:])
