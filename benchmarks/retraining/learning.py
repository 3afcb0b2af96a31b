"""A model that is trained again and again beside a server, but only while it is wanted."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import msgspec

from benchmarks.retraining.again import NAME, learn_command
from benchmarks.rig.processes import process_tree
from benchmarks.rig.server_parts import shipped_models, write_archive
from presage_export.registry import read_aliases, replace_aliases
from presage_featurizer import MICROS
from presage_training.simulator import simulate

__all__ = ["Learning", "Training", "prepare", "repeated_learning"]

_DAYS = 14
_SETTLE_SECONDS = 1.0
"""How long a server may take to finish with a version that was registered just before learning was paused."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Training:
    """One version that was trained and registered."""

    version: str
    peak_mb: float
    """The most resident memory of a process of ``presage learn`` meanwhile."""


def prepare(folder: Path, *, visitors: int, now_unix_micros: int) -> tuple[Path, Path]:
    """Make an archive of simulated visitors up to now, and a folder with the shipped model as champion and a prior.

    Returns:
        The archive and the folder of bundles.
    """
    archive, models = folder / "archive", folder / "models"
    start = now_unix_micros - _DAYS * 86_400 * MICROS
    write_archive(archive, list(simulate(seed=1, visitors=visitors, start_unix_micros=start, days=_DAYS)), first=1)
    shutil.copytree(shipped_models() / NAME, models / NAME)
    subprocess.run(learn_command("--models", str(models), "--init"), check=True, capture_output=True)
    # No score is made with two versions: that would cost, too.
    without_pairs = msgspec.structs.replace(read_aliases(models / NAME), pairs_share=0.0)
    replace_aliases(
        models / NAME, without_pairs, now_unix_micros=now_unix_micros, changed_by="benchmark", reason="no pairs"
    )
    return archive, models


class Learning:
    """``presage learn``, over and over, paused until ``going_on``; see ``repeated_learning``."""

    def __init__(self, process: subprocess.Popen[str], said: Path) -> None:
        self._process, self._said = process, said
        _signal_all(process.pid, signal.SIGSTOP)

    @contextmanager
    def going_on(self) -> Iterator[None]:
        """Learn for as long as the context lasts.

        Raises:
            RuntimeError: A ``presage learn`` failed.
        """
        _signal_all(self._process.pid, signal.SIGCONT)
        try:
            yield
        finally:
            if self._process.poll() is None:
                _signal_all(self._process.pid, signal.SIGSTOP)
        if self._process.poll() is not None:
            raise RuntimeError(f"presage learn failed: {self._said.read_text().strip()}")
        time.sleep(_SETTLE_SECONDS)

    def trainings(self) -> list[Training]:
        """List what was registered so far."""
        lines = self._said.read_text().splitlines()
        return [Training(**json.loads(line)) for line in lines if line.startswith("{")]


@contextmanager
def repeated_learning(archive: Path, models: Path, *, own_session: bool) -> Iterator[Learning]:
    """Run ``benchmarks.retraining.again``, paused at first; it ends with the context.

    Args:
        archive: What it learns from.
        models: The folder of bundles.
        own_session: Whether it runs in a session of its own, as if it was started from another terminal or as a service: Linux may
            share processors between sessions first, and between the processes of each only then.
    """
    command = (sys.executable, "-m", "benchmarks.retraining.again", str(archive), str(models))
    with (
        tempfile.NamedTemporaryFile("w") as said,
        subprocess.Popen(
            command, stdout=said, stderr=subprocess.STDOUT, text=True, start_new_session=own_session
        ) as process,
    ):
        learning = Learning(process, Path(said.name))
        try:
            yield learning
        finally:
            _signal_all(process.pid, signal.SIGKILL)


def _signal_all(pid: int, number: signal.Signals) -> None:
    """Signal a process and all that it has started: each before its children are listed, so that it starts no others."""
    with suppress(ProcessLookupError):
        os.kill(pid, number)
    for child in process_tree(pid)[1:]:
        _signal_all(child, number)
