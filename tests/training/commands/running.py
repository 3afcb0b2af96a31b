"""Runs ``presage``: as a process of its own, or in this one, which is quicker."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import sysconfig
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from presage_client._command_line import main
from support.running_server import GENEROUS_SECONDS

PRESAGE = Path(sysconfig.get_path("scripts"), "presage")

# gRPC's core remarks on a server that goes away while its connection is being closed, if the two meet.
_GRPC_LOG = re.compile(r"^I\d{4} [\d:.]+ .*\.cc:\d+\] .*\n", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Done:
    """How a command ended."""

    code: int
    out: str
    err: str
    """Without what gRPC's core remarks."""


class Command:
    """A running command. Use ``command``, which ends it."""

    def __init__(self, *arguments: object, variables: dict[str, str]) -> None:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PRESAGE_")}
        self._process = subprocess.Popen(
            [PRESAGE, *map(str, arguments)],
            # Wide, so that no table breaks its lines.
            env=environment | {"COLUMNS": "300"} | variables,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            start_new_session=True,
        )

    def read_line(self) -> str:
        """Wait for the next line of stdout."""
        assert self._process.stdout is not None
        return self._process.stdout.readline()

    def signal(self, number: int) -> None:
        """Send a signal to the command alone."""
        self._process.send_signal(number)

    def signal_group(self, number: int) -> None:
        """Send a signal to the command and all that it started, as a terminal does."""
        os.killpg(self._process.pid, number)

    def wait(self) -> Done:
        """Wait for the end."""
        out, err = self._process.communicate(timeout=GENEROUS_SECONDS)
        return Done(self._process.returncode, out, _GRPC_LOG.sub("", err))

    def end(self) -> None:
        """Make sure that it has ended."""
        if self._process.poll() is None:
            self._process.kill()
        self._process.communicate()
        # What it may have left behind, where the test is about to fail for that.
        with suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGTERM)


@contextmanager
def command(*arguments: object, **variables: str) -> Iterator[Command]:
    """Run ``presage`` with these arguments, and these variables in addition to ours, for as long as the context lasts."""
    running = Command(*arguments, variables=variables)
    try:
        yield running
    finally:
        running.end()


def run(*arguments: object, **variables: str) -> Done:
    """Run ``presage`` to its end."""
    with command(*arguments, **variables) as running:
        return running.wait()


def run_here(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], *arguments: object, columns: int = 300
) -> Done:
    """Run ``presage`` to its end in this process, in a terminal of so many columns."""
    monkeypatch.setattr(sys, "argv", ["presage", *map(str, arguments)])
    monkeypatch.setenv("COLUMNS", str(columns))
    capsys.readouterr()
    with pytest.raises(SystemExit) as ended:
        main()
    captured = capsys.readouterr()
    return Done(int(ended.value.code or 0), captured.out, captured.err)


def processes_in(folder: Path) -> list[str]:
    """Return the command lines of all processes that name a folder."""
    listed = subprocess.run(["ps", "-A", "-ww", "-o", "args="], capture_output=True, text=True, check=True)
    return [line for line in listed.stdout.splitlines() if str(folder) in line]
