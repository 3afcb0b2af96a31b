"""``python -m benchmarks.fuzzing.bundles.worker SEED FIRST COUNT`` tries mutated bundles in a process that may hang or crash.

Prints a line of JSON for each mutation: what was changed, what came of it, and the seconds that it took. A bundle that takes too
long ends the process with a traceback.
"""

from __future__ import annotations

import faulthandler
import json
import logging
import os
import resource
import sys
import tempfile
import time
import warnings
from pathlib import Path
from random import Random
from typing import TextIO

import numpy as np
from numpy.typing import NDArray

from benchmarks.fuzzing.bundles.mutations import Files, mutate
from benchmarks.fuzzing.bundles.originals import Original, probes_of, write_originals
from benchmarks.rig.server_parts import load_served
from presage_export.errors import BundleError, NotExplainableError, ParityError

__all__ = ["FINE", "HANGS", "main"]

HANGS = 1
"""The exit code after a bundle that took too long."""
FINE = ("refused", "scores the same", "scores the same but for rounding")
"""What may come of a bundle."""

_MAX_ERROR = 1e-5
"""What two hosts may differ in: no golden row distinguishes a smaller change of a leaf from rounding."""
_SECONDS = 30.0
"""For one bundle, on a busy machine; on a quiet one it is a hundredth."""
_MEMORY_BYTES = 8 << 30
"""Of address space: an allocation beyond it fails, where a machine would swap."""
_WEIGHTS = {"boosted": 8, "forest": 6, "blend": 8, "conversion": 3, "ranking": 1}
_SLOWEST = 10_000
_EXPLAINED_ROWS = 2


class Trial:
    """Tries changed bundles of one original.

    Args:
        original: What is changed.
        folder: A folder of models of its own.
    """

    def __init__(self, original: Original, folder: Path) -> None:
        self.original = original
        self._directory = folder / original.name / original.version
        model = self._load(original.files)
        self._probes = probes_of(len(model.bundle.manifest.feature_set.features))
        self._expected = self._scores(model)

    def outcome(self, files: Files) -> str:
        """Load a bundle as a server does, and say what came of it."""
        try:
            model = self._load(files)
        except BundleError as error:
            message = str(error)
            return (
                "refused" if message.isprintable() and len(message) < _SLOWEST else f"refused in many lines: {error!r}"
            )
        except BaseException as error:  # noqa: BLE001 - whatever it is, it is a finding
            return f"broke: {type(error).__name__}: {str(error)[:200]!r}"
        try:
            scores = self._scores(model)
            self._explain(model)
        except BaseException as error:  # noqa: BLE001 - as above
            return f"broke when it ran: {type(error).__name__}: {str(error)[:200]!r}"
        if not np.isfinite(scores).all():
            return f"scores differently: {np.count_nonzero(~np.isfinite(scores))} are not finite"
        largest = float(np.max(np.abs(scores - self._expected)))
        if largest > _MAX_ERROR:
            return f"scores differently: by {largest:.2g}"
        return "scores the same" if largest == 0.0 else "scores the same but for rounding"

    def _load(self, files: Files):
        _write_files(self._directory, files)
        return load_served(self._directory)

    def _scores(self, model) -> NDArray[np.float64]:
        return np.array(model.bundle.scores(self._probes))

    def _explain(self, model) -> None:
        if not hasattr(model.bundle, "explain"):
            return
        for row in self._probes[:_EXPLAINED_ROWS]:
            try:
                found = model.bundle.explain(row)
            except (NotExplainableError, ParityError):
                continue
            if not np.isfinite(found.contributions).all():
                raise ArithmeticError("contributions are not finite")


def _write_files(directory: Path, files: Files) -> None:
    for path in directory.rglob("*"):
        if path.is_file():
            path.unlink()
    for name, data in files.items():
        path = directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(data)


def main(seed: int, first: int, count: int) -> None:
    """Try the bundles of some numbers."""
    outcomes = _outcomes()
    warnings.simplefilter("ignore")
    logging.disable()
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY_BYTES, resource.RLIM_INFINITY))
    memory = Path("/dev/shm")
    with tempfile.TemporaryDirectory(dir=memory if memory.is_dir() else None) as folder:
        originals = write_originals(Path(folder) / "originals")
        trials = [Trial(original, Path(folder) / "models") for original in originals]
        chosen = [trial for trial in trials for _ in range(_WEIGHTS[trial.original.name])]
        for number in range(first, first + count):
            random = Random(f"{seed}:{number}")
            trial = random.choice(chosen)
            change, files = mutate(random, trial.original.files)
            # Before the attempt, which may not return.
            _write(outcomes, json.dumps({"number": number, "bundle": trial.original.name, "change": change}), "\t")
            faulthandler.dump_traceback_later(_SECONDS, exit=True)
            started = time.perf_counter()
            result = trial.outcome(files)
            faulthandler.cancel_dump_traceback_later()
            _write(outcomes, json.dumps({"result": result, "seconds": time.perf_counter() - started}), "\n")


def _outcomes() -> TextIO:
    """Keep stdout for outcomes: what a library prints there goes to stderr, where it is found."""
    outcomes = os.fdopen(os.dup(sys.stdout.fileno()), "w")
    os.dup2(sys.stderr.fileno(), sys.stdout.fileno())
    return outcomes


def _write(outcomes: TextIO, text: str, end: str) -> None:
    outcomes.write(text + end)
    outcomes.flush()


if __name__ == "__main__":
    main(*map(int, sys.argv[1:4]))
