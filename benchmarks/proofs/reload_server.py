"""A server under load whose models are changed, and what it says of each change."""

from __future__ import annotations

import re
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple
from urllib.request import urlopen

import msgspec

from benchmarks.proofs.broken_bundles import BROKEN, OLDER, copy_version, put_in_place
from benchmarks.rig.calls import write_calls
from benchmarks.rig.load import load_command, outcome_of
from benchmarks.rig.replies import Reply, read_replies
from benchmarks.rig.serving import local_store
from presage_export.registry import read_aliases, replace_aliases

__all__ = ["MODEL", "Change", "LoadedServer", "serve_under_load"]

MODEL = "conversion"
_READY = "presage: serving on "
_WAIT_SECONDS = 120.0
_POLL_SECONDS, _SCRAPE_SECONDS = 0.005, 0.5
_VISITORS = 10_000
_CONNECTIONS = 8
_FOREVER_SECONDS = 86_400
_NEVER = re.compile(r"(?!)")
"""Matches nothing."""


class Change(NamedTuple):
    """One change of the folder, and what the server made of it. Times are of ``time.monotonic_ns``."""

    kind: str
    """``new version``, ``aliases``, or one of BROKEN."""
    before: str
    """The version that served."""
    after: str
    """The one that had to serve then: the same after a broken one."""
    begun_ns: int
    ended_ns: int
    """When the server had said that the version serves, or that it is rejected."""
    is_reported: bool
    """Of a broken one: whether log and metrics name it."""


class LoadedServer:
    """Changes a server's folder, and waits for what it makes of it; see ``serve_under_load``."""

    def __init__(self, folder: Path, log: Path, metrics_url: str, load: subprocess.Popen[str], kept: Path) -> None:
        self._folder, self._log, self._metrics_url, self._load, self._kept = folder, log, metrics_url, load, kept
        self._versions = sorted(path.name for path in folder.iterdir())
        self._serving = self._versions[-1]
        self._read = 0
        """Up to where the log has been read, in bytes."""

    def add_version(self, version: str) -> Change:
        """Add a good version, which has to serve then: by being the highest, or promoted where aliases are in effect."""
        target = self._folder / version
        staged = copy_version(self._folder / self._versions[0], target)
        begun_ns = time.monotonic_ns()
        put_in_place(staged, target)
        self._versions.append(version)
        if read_aliases(self._folder).champion:
            self._promote(version)
        return self._taken_over("new version", version, begun_ns)

    def go_back(self) -> Change:
        """Have the version before the newest serve, or the newest one if that does."""
        version = next(version for version in self._versions[::-1] if version != self._serving)
        begun_ns = time.monotonic_ns()
        self._promote(version)
        return self._taken_over("aliases", version, begun_ns)

    def add_broken(self, kind: str, version: str) -> Change:
        """Add a broken version, which has to be reported and must not serve."""
        version = f"0.{version}" if kind == OLDER else version
        target = self._folder / version
        staged = copy_version(self._folder / self._versions[0], target)
        BROKEN[kind](staged)
        begun_ns = time.monotonic_ns()
        put_in_place(staged, target)
        # The log line names version and reason.
        says = (
            f"model {MODEL}: version {version} is new in the folder, but older than"
            if kind == OLDER
            else (f"model {MODEL}: {version} is rejected, and changes nothing: ")
        )
        is_logged = self._wait_for(re.escape(says))
        ended_ns = time.monotonic_ns()
        series = (
            'presage_model_rejected_total{model="%s",reason="older"} '
            if kind == OLDER
            else ('presage_model_problem{model="%s",model_version="' + version + '"} ')
        )
        is_counted = self._wait_until(lambda: series % MODEL in self._metrics(), poll_seconds=_SCRAPE_SECONDS)
        return Change(kind, self._serving, self._serving, begun_ns, ended_ns, is_logged and is_counted)

    def leave_alone(self, seconds: float) -> None:
        """Change nothing for a time, and read the log as often as during a change: what reading costs is in both."""
        until = time.monotonic() + seconds
        self._wait_until(lambda: self._find(_NEVER) or time.monotonic() >= until)

    def end_load(self) -> int:
        """End the load when all its calls have ended; returns how many calls failed without a reply, or were not sent."""
        self._load.terminate()
        written, _ = self._load.communicate(timeout=_WAIT_SECONDS)
        if self._load.returncode:
            raise RuntimeError("the load generator failed: see above")
        return outcome_of(written.splitlines()[-1]).missed

    def replies(self) -> list[Reply]:
        """Read what became of all calls."""
        return list(read_replies(self._kept))

    def _promote(self, version: str) -> None:
        aliases = msgspec.structs.replace(read_aliases(self._folder), champion=version)
        replace_aliases(
            self._folder, aliases, now_unix_micros=time.time_ns() // 1_000, changed_by="reload-proof", reason="a proof"
        )

    def _taken_over(self, kind: str, version: str, begun_ns: int) -> Change:
        before, self._serving = self._serving, version
        if not self._wait_for(rf"model {MODEL}: version {re.escape(version)} serves \(before: {re.escape(before)}\)"):
            raise RuntimeError(f"version {version} does not serve; the server's log:\n{self._log.read_text()}")
        return Change(kind, before, version, begun_ns, time.monotonic_ns(), is_reported=True)

    def _wait_for(self, line: str) -> bool:
        """Wait for a line in the log that was not there before; returns whether it came."""
        pattern = re.compile(line)
        return self._wait_until(lambda: self._find(pattern))

    def _find(self, pattern: re.Pattern[str]) -> bool:
        with self._log.open() as log:
            log.seek(self._read)
            new = log.read()
        match = pattern.search(new)
        if match:
            self._read += len(new[: match.end()].encode())
        return match is not None

    def _wait_until(self, condition: Callable[[], bool], poll_seconds: float = _POLL_SECONDS) -> bool:
        until = time.monotonic() + _WAIT_SECONDS
        while not (met := condition()) and time.monotonic() < until:
            if self._load.poll() is not None:
                raise RuntimeError("the load has ended: see above")
            time.sleep(poll_seconds)
        return met

    def _metrics(self) -> str:
        with urlopen(self._metrics_url) as response:
            return str(response.read().decode())


@contextmanager
def serve_under_load(
    directory: Path, models: Path, *, rate: float, flags: Sequence[str] = ()
) -> Iterator[LoadedServer]:
    """Run a server with a constant rate of Score, of which every response is kept.

    Args:
        directory: For files of its own.
        models: The server's folder of models.
        rate: Calls a second.
        flags: Further ones of ``presage serve``.
    """
    log, kept = directory / "log", directory / "replies"
    calls = write_calls("score", directory / "calls", visitors=_VISITORS, now_unix_micros=time.time_ns() // 1_000)
    # Looked at often, so that little of what is measured is waiting.
    usual = ("--models", str(models), "--reload-seconds", "0.2", "--metrics-port", "0", "--no-follow-items")
    with local_store({"appendfsync": "no"}) as url, log.open("w") as stderr:
        command = (sys.executable, "-m", "presage_server", "serve", "--port", "0", "--redis-url", url, *usual, *flags)
        with subprocess.Popen(command, stdout=subprocess.PIPE, stderr=stderr, text=True) as process:
            assert process.stdout is not None
            try:
                line = process.stdout.readline()
                if not line.startswith(_READY):
                    raise RuntimeError(f"the server does not start; its log:\n{log.read_text()}")
                address = line.removeprefix(_READY).strip()
                metrics = re.search(r"metrics: (http://\S+)", log.read_text())
                assert metrics is not None
                words = load_command(
                    address,
                    calls,
                    rate=rate,
                    connections=_CONNECTIONS,
                    seconds=_FOREVER_SECONDS,
                    warm_up_seconds=0,
                    replies=kept,
                )
                with subprocess.Popen(words, stdout=subprocess.PIPE, text=True) as load:
                    try:
                        time.sleep(1.0)  # connections are made, and the server has begun to take calls
                        yield LoadedServer(models / MODEL, log, metrics[1], load, kept)
                    finally:
                        load.kill()
            finally:
                process.terminate()
