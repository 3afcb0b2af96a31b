"""Bundles verified by a child process: parsing a graph and comparing golden rows would hold up the calls of one that serves."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import msgspec

from presage_featurizer.custom import CustomFeatures
from presage_server.models.plan import VerifiedVersion
from presage_server.models.verifier import Finding, Request
from presage_server.store.embedded import end_with_parent

__all__ = ["Verifier"]

_SECONDS = 300.0
"""How long one version may take, on a machine that has little time left for it."""

Key = tuple[str, str]


class Verifier:
    """Verifies the bundles of a folder.

    Args:
        directory: The folder, <name>/<version>/.
        custom: The features of the project that is served.
        seconds: How long one version may take.
    """

    def __init__(self, directory: Path, custom: CustomFeatures | None = None, *, seconds: float = _SECONDS) -> None:
        self._directory = directory
        self._project = None if custom is None else (custom.declaration, custom.source)
        self._seconds = seconds
        self._process: subprocess.Popen[bytes] | None = None
        self._closed = False

    def verify(self, keys: Sequence[Key]) -> dict[Key, VerifiedVersion | str]:
        """Verify versions, by name and version: what is known of each, or why it cannot be served.

        A version that takes too long, or ends the process that verifies it, is a problem of that version alone.
        """
        found: dict[Key, VerifiedVersion | str] = {}
        while not self._closed and (left := [key for key in keys if key not in found]):
            ended = self._run(left, found)
            if (stuck := next((key for key in left if key not in found), None)) is not None:
                found[stuck] = ended
        return found

    def close(self) -> None:
        """End what is running; from any thread."""
        self._closed = True
        if (process := self._process) is not None:
            process.kill()

    def _run(self, keys: Sequence[Key], found: dict[Key, VerifiedVersion | str]) -> str:
        """Verify as many as one process can; return why it ended."""
        request = Request(directory=str(self._directory), versions=list(keys), project=self._project)
        process = subprocess.Popen(  # noqa: S603 - this interpreter with arguments from here
            [*end_with_parent(), sys.executable, "-P", "-m", "presage_server.models.verifier"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            start_new_session=True,  # Ctrl-C is for the server
        )
        self._process = process
        with process:
            try:
                written, _ = process.communicate(msgspec.json.encode(request) + b"\n", self._seconds * len(keys))
                ended = f"it ended the process that verified it, with code {process.returncode}"
            except subprocess.TimeoutExpired:
                process.kill()
                written, _ = process.communicate()
                ended = f"it could not be verified within {self._seconds:g} s"
            finally:
                process.kill()
        self._process = None
        for line in written.splitlines(keepends=True):
            if not line.endswith(b"\n"):
                break  # it was cut off
            finding = msgspec.json.decode(line, type=Finding)
            found[finding.name, finding.version] = finding.verified or finding.problem
        return f"{ended}; replace its folder to have it verified again"
