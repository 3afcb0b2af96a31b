"""``make floods``: what a hostile client does to others, with each transport and behind each proxy of ``deploy/proxies``.

Each target gets each flood for some seconds, from a process of its own, while another client scores a visitor again and again, each
call within a second. Each flood has a server of its own, so that none bears another's consequences.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.console import Console

from benchmarks.floods.kinds import FLOODS
from benchmarks.floods.targets import TARGETS, Target, make_certificate, running_target, unavailable
from benchmarks.floods.victim import Calls, call_for, seconds_until_answered
from benchmarks.rig.command import FAILED, run_benchmark, write_json
from benchmarks.rig.serving import is_running, local_store

__all__ = ["Found", "cell", "main"]

_PAGE = Path(__file__).resolve().parents[2] / "docs" / "reference" / "floods.md"
_CALM_SECONDS = 1.0
_PATIENCE_SECONDS, _SOON_SECONDS = 30.0, 1.0
_SERVED = 0.99


@dataclass(frozen=True, kw_only=True, slots=True)
class Found:
    """What a flood did."""

    before: Calls
    during: Calls
    recovery_seconds: float
    """After its end, until another client was answered; infinite: it never was."""
    more_bytes: int
    """Of memory, at most, in the server and the proxy."""
    closed: int
    """Connections of the flood that were closed or refused."""
    alive: bool
    """Whether the server is there after it."""


def main(arguments: list[str] | None = None) -> int:
    """Flood, and print a table."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.floods")
    parser.add_argument("--targets", nargs="+", choices=list(TARGETS), default=list(TARGETS))
    parser.add_argument("--floods", nargs="+", choices=list(FLOODS), default=list(FLOODS))
    parser.add_argument("--seconds", type=float, default=3.0, help="length of each flood (default: %(default)s)")
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    parser.add_argument("--page", action="store_true", help="write the table into docs/reference/floods.md")
    given = parser.parse_args(arguments)
    return run_benchmark("floods", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    found: dict[str, dict[str, Found]] = {}
    targets = []
    for name in given.targets:
        if reason := unavailable(name):
            console.print(f"floods: without {name}: {reason}")
        else:
            targets.append(name)
    with local_store() as store:
        for flood in given.floods:
            for target in targets:
                found.setdefault(flood, {})[target] = one = _flood(target, flood, store, given.seconds)
                console.print(f"{flood}, {target}: {cell(one)}", highlight=False)
    if given.to:
        write_json(given.to, {flood: {name: asdict(one) for name, one in row.items()} for flood, row in found.items()})
    rows = _rows(found, targets)
    console.print("\n".join(rows), markup=False, highlight=False, soft_wrap=True)
    if given.page:
        _write_page(rows)
    return 0 if all(one.alive for row in found.values() for one in row.values()) else FAILED


def _flood(name: str, flood: str, store: str, seconds: float) -> Found:
    with tempfile.TemporaryDirectory(prefix="presage-floods-") as folder:
        make_certificate(Path(folder))
        with running_target(name, store, Path(folder)) as target:
            before = call_for(_CALM_SECONDS, target.address, target.credentials)
            calm_bytes = most_bytes = target.resident_bytes

            def look() -> None:
                nonlocal most_bytes
                most_bytes = max(most_bytes, target.resident_bytes)

            command = [
                sys.executable,
                "-m",
                "benchmarks.floods.sending",
                target.address,
                flood,
                "--seconds",
                str(seconds),
            ]
            with subprocess.Popen([*command, *_tls_options(target)], stdout=subprocess.PIPE, text=True) as sending:
                during = call_for(seconds, target.address, target.credentials, look)
                closed = int(sending.communicate()[0].split()[0])
            look()
            recovery = seconds_until_answered(target.address, target.credentials, _PATIENCE_SECONDS)
            return Found(
                before=before,
                during=during,
                recovery_seconds=recovery,
                more_bytes=most_bytes - calm_bytes,
                closed=closed,
                alive=is_running(target.server_pid),
            )


def _tls_options(target: Target) -> list[str]:
    return [] if target.tls is None else ["--tls", *map(str, target.tls)]


def cell(found: Found) -> str:
    """Write what happened to the other client, and to memory."""
    during, total = found.during, found.during.answered + found.during.failed
    served = f"{found.before.median_ms:.1f} → {during.median_ms:.1f}, at most {during.slowest_ms:,.0f} ms"
    if not during.answered:
        served = "**nothing answered**"
    lost = f", **{during.failed} of {total} failed**" if during.answered < _SERVED * total else ""
    memory = f", {found.more_bytes / 1e6:+,.0f} MB" if found.more_bytes >= 10e6 else ""
    ended = "" if found.alive else ", **the process ended**"
    again = ""
    if found.recovery_seconds > _PATIENCE_SECONDS:
        again = ", **not served again**"
    elif found.recovery_seconds > _SOON_SECONDS:
        again = f", **served again after {found.recovery_seconds:.0f} s**"
    return f"{served}{lost}{memory}{ended}{again}"


def _rows(found: Mapping[str, Mapping[str, Found]], targets: list[str]) -> list[str]:
    rows = [f"| flood | {' | '.join(targets)} |", f"|---|{'---|' * len(targets)}"]
    rows += [
        f"| {flood}: {FLOODS[flood].means} | {' | '.join(cell(row[name]) for name in targets)} |"
        for flood, row in found.items()
    ]
    return rows


def _write_page(rows: list[str]) -> None:
    lines = _PAGE.read_text().splitlines()
    start = next(number for number, line in enumerate(lines) if line.startswith("| flood |"))
    end = next((number for number in range(start, len(lines)) if not lines[number].startswith("|")), len(lines))
    _PAGE.write_text("\n".join([*lines[:start], *rows, *lines[end:]]) + "\n")


if __name__ == "__main__":
    raise SystemExit(main())
