"""``python -m benchmarks.retraining.again ARCHIVE MODELS``: ``presage learn`` trains again and again, until this is ended.

Whenever it has registered a challenger, that is dropped, as by an operator, and the archive gets another day of events, so that the
next version is trained. For each, a line of JSON says what was registered.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from benchmarks.rig.processes import memory_mb, process_tree
from benchmarks.rig.server_parts import write_archive
from presage_export.registry import drop_challenger, read_aliases, replace_aliases
from presage_featurizer import MICROS
from presage_training.simulator import simulate

__all__ = ["NAME", "learn_command", "main"]

NAME = "conversion"
"""The model that learns."""

_FLAGS = (
    "--after-purchases", "1", "--cooldown-hours", "0", "--poll-seconds", "0.1", "--tolerance", "10", "--slice-tolerance", "10",
)  # fmt: skip
"""It trains all the time, and the gate is open, so that each new version is handed over to the server."""
_POLL_SECONDS = 0.1
_HAND_OVER_SECONDS = 1.0
"""How long a challenger stays: long enough for a server to load it."""
_VISITORS_A_DAY = 50


def learn_command(*flags: str) -> tuple[str, ...]:
    """Make a command line of ``presage learn``; nobody is held out, and no challenger gets visitors, for those would cost, too."""
    return (
        sys.executable,
        "-m",
        "presage_server",
        "learn",
        "--name",
        NAME,
        "--share",
        "0",
        "--holdout-share",
        "0",
        *flags,
    )


def main(arguments: Sequence[str]) -> None:
    """Learn until this process is ended."""
    archive, models = map(Path, arguments)
    with subprocess.Popen(learn_command(str(archive), "--models", str(models), *_FLAGS)) as learner:
        for number in range(1, sys.maxsize):
            peak_mb = 0.0
            while not (aliases := read_aliases(models / NAME)).challenger:
                if learner.poll() is not None:
                    sys.exit(f"presage learn ended with status {learner.returncode}")
                peak_mb = max(peak_mb, *(memory_mb(pid, peak=True) for pid in process_tree(learner.pid)))
                time.sleep(_POLL_SECONDS)
            print(json.dumps({"version": aliases.challenger, "peak_mb": peak_mb}), flush=True)
            time.sleep(_HAND_OVER_SECONDS)
            replace_aliases(
                models / NAME,
                drop_challenger(aliases),
                now_unix_micros=time.time_ns() // 1_000,
                changed_by="benchmark",
                reason="the next one is to be tried",
            )
            now = time.time_ns() // 1_000
            day = simulate(seed=number, visitors=_VISITORS_A_DAY, start_unix_micros=now - 86_400 * MICROS, days=1)
            write_archive(archive, list(day), first=now)


if __name__ == "__main__":
    main(sys.argv[1:])
