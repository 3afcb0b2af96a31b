"""Bundles verified by another process: parsing a graph and comparing golden rows would hold up the calls of one that serves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path

import msgspec

from presage_featurizer.custom import CustomFeatures
from presage_server.models.plan import VerifiedVersion
from presage_server.models.unread import ReadFailure
from presage_server.models.verifier import Ending, Finding, Request

__all__ = ["Verifier"]

_SECONDS = 300.0
"""How long one version may take, on a machine that has little time left for it."""

Key = tuple[str, str]


class Verifier:
    """Verifies the bundles of a folder.

    Args:
        directory: The folder, <name>/<version>/.
        custom: The features of the project that is served.
        trusted: The file of the keys one of which must have signed them; empty if none is required.
        seconds: How long one version may take.
    """

    def __init__(
        self, directory: Path, custom: CustomFeatures | None = None, *, trusted: str = "", seconds: float = _SECONDS
    ) -> None:
        self._trusted = trusted and str(Path(trusted).absolute())
        self._directory = directory
        self._project = None if custom is None else (custom.declaration, custom.source)
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._is_kept = False
        self._closed = False
        self._lock = threading.Lock()

    def open(self) -> None:
        """Start the process that verifies, and keep it until ``close``; without this, there is one for each call of ``verify``.

        A process that serves calls should start it before: all of its threads wait until a new process runs its program, which
        takes long on a busy machine.
        """
        self._is_kept = True
        self._start()

    def verify(self, keys: Sequence[Key]) -> dict[Key, VerifiedVersion | str]:
        """Verify versions, by name and version: what is known of each, or why it cannot be served.

        A version that takes too long, or ends the process that verifies it, is a problem of that version alone. One that could not
        be read, as by a process that has too many open files, has a ReadFailure: that may be otherwise the next time.
        """
        found: dict[Key, VerifiedVersion | str] = {}
        with self._lock:
            while left := [key for key in keys if key not in found]:
                ended = self._run(left, found)
                if self._closed:
                    break
                if stuck := [key for key in left if key not in found]:
                    found[stuck[0]] = ended
            if not self._is_kept:
                self._end()
        return found

    def close(self) -> None:
        """End what is running; from any thread."""
        self._closed = True
        if (process := self._process) is not None:
            _kill(process)
        with self._lock:
            self._end()

    def _run(self, keys: Sequence[Key], found: dict[Key, VerifiedVersion | str]) -> str:
        """Verify as many as one run can; return why it ended."""
        process = self._start()
        assert process.stdin is not None
        assert process.stdout is not None
        seconds = self._seconds * len(keys)
        request = Request(
            directory=str(self._directory.absolute()),
            versions=list(keys),
            seconds=seconds,
            project=self._project,
            trusted=self._trusted,
        )
        code, ended = 1, False
        with suppress(OSError, ValueError, msgspec.MsgspecError):  # it was killed
            process.stdin.write(msgspec.json.encode(request) + b"\n")
            process.stdin.flush()
            for line in process.stdout:
                message = msgspec.json.decode(line, type=Finding | Ending)
                if isinstance(message, Ending):
                    code, ended = message.code, True
                    break
                problem = ReadFailure(message.problem) if message.is_unread else message.problem
                found[message.name, message.version] = message.verified or problem
        if not ended:
            self._end()  # whatever it is at, or still has to say, is not to be taken for the next answer
        if code == -signal.SIGALRM:
            return ReadFailure(f"it could not be verified within {seconds:g} s; it is tried again")
        if code > 0:  # before or after it: what happens to a version is a Finding, or a signal
            return ReadFailure(f"the process that verified it ended with code {code}; it is tried again")
        return f"it ended the process that verified it, with code {code}; replace its folder to have it verified again"

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()  # it was killed while it had nothing to do, which is no version's fault
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "presage_server.models.verifier"],
                stdin=subprocess.PIPE,  # its end is the process's, also where this one is killed
                stdout=subprocess.PIPE,
                env={**os.environ, "OPENBLAS_NUM_THREADS": "1"},  # a process with threads should not be copied
                start_new_session=True,  # Ctrl-C is for the server
            )
            if self._closed:
                _kill(self._process)
        return self._process

    def _end(self) -> None:
        process, self._process = self._process, None
        if process is not None:
            with suppress(BrokenPipeError), process:  # of what it was sent and has not read
                _kill(process)


def _kill(process: subprocess.Popen[bytes]) -> None:
    """End a process and its copy."""
    with suppress(ProcessLookupError):
        os.killpg(process.pid, signal.SIGKILL)
