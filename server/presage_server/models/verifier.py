"""``python -m presage_server.models.verifier`` verifies bundles, out of the way of the process that serves.

Each line that it reads is a Request, in JSON. A copy of this process carries it out and writes a Finding for each version as soon
as it is known; a line with an Ending follows. What verifies is loaded with the first request, and kept: that takes ten times as
much of a processor as verifying one version does.
"""

from __future__ import annotations

import os
import resource
import signal
import sys
from contextlib import suppress
from pathlib import Path

import msgspec

from presage_server.models.plan import VerifiedVersion
from presage_server.models.unread import is_of_the_moment
from presage_server.workers.priority import lower_priority

__all__ = ["Ending", "Finding", "Request", "main"]

_NICE = 15
_CPU_SECONDS = 120
"""Of one copy, for each version that it verifies."""


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What to verify."""

    directory: str
    versions: list[tuple[str, str]]
    """Names and versions."""
    seconds: float
    """How long it may take."""
    project: tuple[str, str] | None = None
    """The texts of the project's features."""
    trusted: str = ""
    """The file of the keys one of which must have signed them; empty if none is required."""


class Finding(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """What is known of one version: either what was verified, or why it cannot be served."""

    name: str
    version: str
    verified: VerifiedVersion | None = None
    problem: str = ""
    is_unread: bool = False
    """Whether the problem is that it could not be read, for now."""


class Ending(msgspec.Struct, frozen=True, kw_only=True, tag=True):
    """The end of a request."""

    code: int
    """The exit code of the copy, or the number of the signal that ended it, negative."""


def main() -> None:
    """Carry requests out until stdin ends."""
    # Before the imports, which are most of the work: calls go first.
    lower_priority(_NICE)
    for line in sys.stdin.buffer:
        request = msgspec.json.decode(line, type=Request)
        with suppress(OSError, ImportError):  # the copy tries it again, and reports it
            _load_what_verifies()
        copy = os.fork()  # there is no other thread
        if not copy:
            _carry_out(request)
        _, status = os.waitpid(copy, 0)
        _write(Ending(code=os.waitstatus_to_exitcode(status)))


def _carry_out(request: Request) -> None:
    """Verify what is asked for, and end the process."""
    try:
        signal.setitimer(signal.ITIMER_REAL, request.seconds)
        cpu_seconds = _CPU_SECONDS * len(request.versions)
        resource.setrlimit(resource.RLIMIT_CPU, (cpu_seconds, cpu_seconds + 1))
        _verify(request)
    except BaseException:  # noqa: BLE001 - the copy must not go on as the original would
        sys.excepthook(*sys.exc_info())
        os._exit(1)
    os._exit(0)


def _load_what_verifies() -> None:
    from presage_server.models import loading  # noqa: F401, PLC0415 - not before there is something to verify


def _verify(request: Request) -> None:
    try:
        from presage_featurizer.custom import CustomFeatures  # noqa: PLC0415
        from presage_server.errors import ModelError  # noqa: PLC0415
        from presage_server.models.loading import describe_version, load_any_model  # noqa: PLC0415
        from presage_server.models.ranking import RankingModel  # noqa: PLC0415
    except (OSError, ImportError) as error:
        for name, version in request.versions:
            problem = f"what verifies it could not be loaded: {error}"
            _write(Finding(name=name, version=version, problem=problem, is_unread=True))
        return
    custom = CustomFeatures.parse(*request.project) if request.project else None
    for name, version in request.versions:
        verified, problem, is_unread = None, "", False
        try:
            model = load_any_model(Path(request.directory, name, version), custom, request.trusted)
            verified = describe_version(model)
            if isinstance(model, RankingModel):
                _compile()
        except ModelError as error:
            problem, is_unread = str(error), is_of_the_moment(error)
        except Exception as error:  # noqa: BLE001 - a defect of ours must not let a bundle pass, nor end all
            problem, is_unread = f"its verification failed: {error!r}"[:500], is_of_the_moment(error)
        _write(Finding(name=name, version=version, verified=verified, problem=problem, is_unread=is_unread))


def _compile() -> None:
    """Leave compiled functions on the disk for the process that serves: compiling takes seconds there, from calls that wait."""
    from presage_featurizer.ranking.compiled import load_kernels  # noqa: PLC0415

    load_kernels()


def _write(message: Finding | Ending) -> None:
    sys.stdout.buffer.write(msgspec.json.encode(message) + b"\n")
    sys.stdout.buffer.flush()


if __name__ == "__main__":
    main()
