"""``python -m benchmarks.limit``: Score by C++ servers and by Presage, on the same machine, store and calls, in turn.

The C++ servers are a floor, not peers: one does nothing, the other does by hand what this one model needs. Both use gRPC's
completion queues, which are faster than its callbacks. With a second or third thread that reads calls (``--threads``), a call takes
half as long again at 1 in flight, since it wakes one thread more; at 64 the echo answers a quarter more, the whole Score no more.
"""

from __future__ import annotations

import argparse
import json
import sys
import tempfile
import time
from contextlib import ExitStack
from dataclasses import asdict
from pathlib import Path
from urllib.parse import urlsplit

from rich.console import Console

from benchmarks.limit.answers import compare_answers
from benchmarks.limit.build import MissingPackagesError, Servers, build_servers
from benchmarks.limit.ratios import ratios_table
from benchmarks.serving import local_store, presage_process, serving_process
from benchmarks.wire.calls import write_calls
from benchmarks.wire.figures import Figure, figures_console, figures_table
from benchmarks.wire.load import build_load
from benchmarks.wire.processes import store_process
from benchmarks.wire.rounds import measure
from benchmarks.wire.visitors import fill_store
from presage_server.settings import shipped_models

__all__ = ["main"]

_ECHO, _WHOLE = "C++ echo", "C++ Score"
_TRANSPORTS = ("native", "grpcio")
_MODEL = Path(__file__).parents[2] / "tests" / "data" / "conversion-2.txt"


def main(arguments: list[str] | None = None) -> int:
    """Build, compare the answers, load, and print."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.limit")
    parser.add_argument("--in-flight", nargs="+", type=int, default=[1, 4, 16, 64])
    parser.add_argument("--threads", type=int, default=1, help="that read calls, of each C++ server")
    parser.add_argument("--visitors", type=int, default=100_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--seconds", type=float, default=2.0)
    parser.add_argument("--to", type=Path, help="a file for the figures, as JSON")
    given = parser.parse_args(arguments)
    console = figures_console()
    try:
        build_load()
    except RuntimeError as error:
        console.print(f"bench-limit: {error}", soft_wrap=True)
        return 0
    try:
        figures = _figures(given, build_servers(), console)
    except MissingPackagesError as error:
        console.print(f"bench-limit: {error}", soft_wrap=True)
        return 0
    except RuntimeError as error:
        console.print(f"bench-limit: {error}", markup=False, soft_wrap=True)
        return 1
    console.print(figures_table(figures))
    console.print(ratios_table(figures, _WHOLE))
    if given.to:
        given.to.parent.mkdir(parents=True, exist_ok=True)
        given.to.write_text(json.dumps([asdict(figure) for figure in figures], indent=1) + "\n")
    return 0


def _figures(given: argparse.Namespace, programs: Servers, console: Console) -> list[Figure]:
    now = time.time_ns() // 1_000
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="presage-limit-")))
        url = stack.enter_context(local_store())
        fill_store(url, given.visitors, now)
        calls = folder / "score"
        paths = write_calls("score", calls, visitors=given.visitors, now_unix_micros=now)
        threads = ("--threads", str(given.threads))
        whole = (str(programs.score), "--socket", urlsplit(url).path, "--model", str(_MODEL), *threads)
        servers = {
            _ECHO: stack.enter_context(serving_process((str(programs.echo), *threads))),
            _WHOLE: stack.enter_context(serving_process(whole)),
        }
        for name in _TRANSPORTS:
            presage = presage_process(url, "--models", str(shipped_models()), "--transport", name)
            servers[name] = stack.enter_context(presage)
            compared = compare_answers(servers[_WHOLE][0], servers[name][0], now)
            console.print(f"{_WHOLE} and Presage, {name}: {compared:,} answers compared, all the same")
        status = stack.enter_context(console.status("loading"))
        return measure(
            servers,
            {"score": (calls, paths)},
            store_pid=store_process(url),
            in_flight=given.in_flight,
            rounds=given.rounds,
            seconds=given.seconds,
            tell=status.update,
        )


if __name__ == "__main__":
    sys.exit(main())
