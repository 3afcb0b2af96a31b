"""Starts a peer's server, waits until it answers, and ends all of its processes."""

from __future__ import annotations

import os
import signal
import subprocess
import uuid
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path
from time import monotonic, sleep

from benchmarks.peers.calling import call
from benchmarks.peers.dataset import Sample
from benchmarks.peers.peer import Peer, Site, Task
from benchmarks.rig.processes import cpu_seconds
from benchmarks.rig.server_parts import end_with_parent

__all__ = ["PeerStartError", "prepare", "running"]

_STOP_SECONDS = 20.0
_PREPARE_SECONDS = 600.0
_SHOWN_BYTES = 1_500
_HERE = Path(__file__).parent
_ROOT = _HERE.parents[1]

_QUIET = {
    "BENTOML_DO_NOT_TRACK": "True",
    "DO_NOT_TRACK": "1",
    "FEAST_USAGE": "False",
    "HF_HUB_OFFLINE": "1",
    "OTEL_SDK_DISABLED": "true",
    "RAY_USAGE_STATS_ENABLED": "0",
    "TRITON_SERVER_METRICS": "0",
}
"""Disables telemetry."""


class PeerStartError(RuntimeError):
    """A peer does not start here, or does not answer; the message ends with what it wrote to its log."""


def prepare(peer: Peer, site: Site) -> None:
    """Run what a peer needs once, such as loading its store.

    Raises:
        PeerStartError: It failed.
    """
    if peer.prepare is None:
        return
    try:
        done = subprocess.run(
            peer.prepare(site),
            check=False,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            cwd=site.folder,
            env=_environment(peer, site),
            timeout=_PREPARE_SECONDS,
        )
    except subprocess.TimeoutExpired as error:
        raise PeerStartError(f"its preparation took longer than {_PREPARE_SECONDS:.0f} s") from error
    if done.returncode:
        raise PeerStartError(f"its preparation failed:\n{_end(done.stdout)}")


@contextmanager
def running(peer: Peer, site: Site, samples: Mapping[Task, Sample]) -> Iterator[Callable[[], float]]:
    """Run a peer's server for as long as the context lasts.

    Args:
        peer: The peer.
        site: Where it runs.
        samples: A call for each task of its cases, by which it is seen to be ready.

    Yields:
        A function that returns the processor time of its processes so far, in seconds.

    Raises:
        PeerStartError: It ends by itself, or does not answer in time.
    """
    token = f"PEER_RUN={uuid.uuid4().hex}"
    environment = _environment(peer, site) | dict([token.split("=")])
    log = site.folder / "server.log"
    with (
        log.open("wb") as output,
        subprocess.Popen(
            [*end_with_parent(), *peer.command(site)],
            stdin=subprocess.DEVNULL,
            stdout=output,
            stderr=subprocess.STDOUT,
            cwd=site.folder,
            env=environment,
            start_new_session=True,
        ) as process,
    ):
        try:
            _wait(peer, site, samples, process, log)
            yield lambda: cpu_seconds(_holders(token))
        finally:
            _stop(process, token)


def _environment(peer: Peer, site: Site) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("PYTHON", "VIRTUAL_ENV"))}
    path = os.pathsep.join(map(str, (_ROOT / "proto", _HERE / "common", peer.folder)))
    # One thread of arithmetic each: a row of 20 features is too little to share.
    threads = {"OMP_NUM_THREADS": "1", "PYTHONPATH": path, "PYTHONUNBUFFERED": "1"}
    programs = f"{site.python.parent}{os.pathsep}{kept.get('PATH', '')}"
    return kept | threads | _QUIET | dict(peer.variables) | site.variables | {"PATH": programs}


def _wait(peer: Peer, site: Site, samples: Mapping[Task, Sample], process: subprocess.Popen[bytes], log: Path) -> None:
    give_up = monotonic() + peer.start_seconds
    waiting = list(peer.cases)
    last_error = ""
    while waiting and monotonic() < give_up and process.poll() is None:
        try:
            call(waiting[0], site.port, samples[waiting[0].task])
        except OSError as error:  # not there yet; what else can go wrong is seen when answers are checked
            last_error = str(error)
            sleep(0.1)
        else:
            waiting.pop(0)
    if waiting:
        what = f"ended with code {process.poll()}" if process.poll() is not None else f"does not answer: {last_error}"
        raise PeerStartError(f"{what}\n{_end(log.read_bytes())}")


def _stop(process: subprocess.Popen[bytes], token: str) -> None:
    process.terminate()
    with suppress(subprocess.TimeoutExpired):
        process.wait(_STOP_SECONDS)
    # Some peers start daemons in sessions of their own. All of them inherit the token, and no other process has it.
    for signum in (signal.SIGTERM, signal.SIGKILL):
        left = _holders(token)
        for pid in left:
            with suppress(ProcessLookupError):
                os.kill(pid, signum)
        give_up = monotonic() + _STOP_SECONDS / 4
        while left and monotonic() < give_up and (left := _holders(token)):
            sleep(0.1)
    if process.poll() is None:
        process.kill()


def _holders(token: str) -> list[int]:
    """Find the processes that were started with this variable in their environment."""
    wanted = token.encode()
    pids = []
    for entry in Path("/proc").glob("[0-9]*/environ"):
        with suppress(OSError):
            if wanted in entry.read_bytes().split(b"\0"):
                pids.append(int(entry.parent.name))
    return pids


def _end(log: bytes) -> str:
    return log[-_SHOWN_BYTES:].decode(errors="replace").strip()
