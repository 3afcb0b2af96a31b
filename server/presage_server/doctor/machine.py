"""Checks of the machine and of the installed packages."""

from __future__ import annotations

import ctypes
import os
import platform
import resource
import sys
from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, requires, version

from google.protobuf.internal import api_implementation
from packaging.requirements import Requirement

from presage_server.doctor.check import Check, Outcome
from presage_server.telemetry.build import installed_version

__all__ = ["check_clock", "check_files", "check_packages", "check_python", "check_telemetry"]

_DISTRIBUTION = "presage-scoring"
_OLDEST = (3, 11)
_FEW_FILES, _ENOUGH_FILES = 1_024, 4_096
"""A connection takes a descriptor; the models, the store and the threads take about a hundred."""
_UNSYNCHRONIZED = 5
"""What ``adjtimex`` returns while nothing keeps the clock."""


def check_python() -> Iterator[Check]:
    """The interpreter, and the system."""
    found = (
        f"{platform.python_implementation()} {platform.python_version()} on {platform.system()} {platform.machine()}"
    )
    if sys.version_info < _OLDEST or sys.implementation.name != "cpython":
        yield Check("python", Outcome.FAIL, found, "install CPython 3.11 or newer")
    elif platform.system() != "Linux":
        yield Check("python", Outcome.WARN, f"{found}: --workers needs Linux", "serve production traffic on Linux")
    else:
        yield Check("python", Outcome.OK, found)


def check_packages() -> Iterator[Check]:
    """The libraries that the server needs, in the versions that it is tested with."""
    wrong = []
    for line in requires(_DISTRIBUTION) or []:
        needed = Requirement(line)
        if needed.marker is not None and not needed.marker.evaluate({"extra": "server"}):
            continue
        try:
            installed = version(needed.name)
        except PackageNotFoundError:
            wrong.append(f"{needed.name} is missing")
            continue
        if not needed.specifier.contains(installed, prereleases=True):
            wrong.append(f"{needed.name}: expected {needed.specifier}, got {installed}")
    if wrong:
        yield Check("packages", Outcome.FAIL, "; ".join(wrong), f"pip install --upgrade '{_DISTRIBUTION}[server]'")
    else:
        yield Check("packages", Outcome.OK, f"presage {installed_version()} and all that a server needs")
    kind = api_implementation.Type()
    if kind == "upb":
        yield Check("protobuf", Outcome.OK, f"protobuf {version('protobuf')} runs as upb, in C")
    else:
        remedy = "pip install --force-reinstall --only-binary :all: protobuf"
        yield Check("protobuf", Outcome.WARN, f"protobuf runs as {kind}, which is slow", remedy)


def check_telemetry() -> Iterator[Check]:
    """ONNX Runtime's own usage reports."""
    if os.environ.get("ORT_DISABLE_TELEMETRY") == "1":
        yield Check("onnxruntime", Outcome.OK, f"onnxruntime {version('onnxruntime')} reports nothing about its use")
    else:
        found = f"ORT_DISABLE_TELEMETRY is {os.environ.get('ORT_DISABLE_TELEMETRY')!r}: onnxruntime may report its use"
        yield Check("onnxruntime", Outcome.WARN, found, "unset ORT_DISABLE_TELEMETRY, or set it to 1")


def check_clock() -> Iterator[Check]:
    """Whether something keeps the clock, which dates events that come without a time."""
    state = _clock_state()
    if state is None:
        yield Check("clock", Outcome.OK, "this system does not say whether its clock is synchronised")
    elif state == _UNSYNCHRONIZED:
        found = "the kernel says that nothing synchronises the clock"
        yield Check(
            "clock", Outcome.WARN, found, "run chrony or systemd-timesyncd on the host (timedatectl set-ntp true)"
        )
    else:
        yield Check("clock", Outcome.OK, "the kernel says that the clock is synchronised")


def check_files() -> Iterator[Check]:
    """How many connections and files the process may have open."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    if soft == resource.RLIM_INFINITY or soft >= _ENOUGH_FILES:
        yield Check(
            "open files", Outcome.OK, f"{'any number' if soft == resource.RLIM_INFINITY else f'{soft:,}'} allowed"
        )
        return
    outcome = Outcome.FAIL if soft < _FEW_FILES else Outcome.WARN
    remedy = f"ulimit -n {_ENOUGH_FILES}, or LimitNOFILE={_ENOUGH_FILES} in a systemd unit (the hard limit is {hard})"
    yield Check("open files", outcome, f"{soft:,} allowed, and each connection takes one", remedy)


def _clock_state() -> int | None:
    """Return the clock's status from Linux's ``adjtimex``; None where that is not available."""
    if sys.platform != "linux":
        return None
    try:
        adjtimex = ctypes.CDLL(None, use_errno=True).adjtimex
    except (OSError, AttributeError):
        return None
    question = ctypes.create_string_buffer(512)  # a struct timex, whose field `modes` is 0: only ask
    state = int(adjtimex(question))
    return None if state < 0 else state
