"""``python -m benchmarks.overload``: more calls than a server can answer at once, or at all.

Three parts, each with calls that have a deadline of one second:

- ``loops``: closed loops with many calls in flight. Nothing here needs to be rejected.
- ``bursts``: many calls at once to an idle server, over one connection and over many. Nothing here needs to be rejected either.
- ``rate``: multiples of the calls that the server answers in a closed loop of 64, while its health service is checked again and
  again; then, at half of them, the time until calls take what they took before. Latencies count from when a call was due. The same
  rates go to a server on the same transport that only rejects calls: what that cannot reject in time, no policy can.

With ``--spinners 2``, two other processes keep both cores busy meanwhile.
"""

from __future__ import annotations

import argparse
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import asdict

from rich.console import Console

from benchmarks.overload.loads import Load, bursts, closed_loop, loads_table
from benchmarks.overload.rate import Overload, offered, overload, overloads_table
from benchmarks.overload.rejecting import rejecting_server
from benchmarks.rig.command import load_options, run_benchmark, write_json
from benchmarks.rig.load import Outcome, run_load
from benchmarks.rig.rig import open_rig
from benchmarks.rig.server_parts import end_with_parent

__all__ = ["main"]


def main(arguments: list[str] | None = None) -> int:
    """Load, and print."""
    parser = load_options("overload", rounds=3, seconds=3.0)
    parser.add_argument("--part", nargs="+", choices=("loops", "bursts", "rate"), default=["loops", "bursts", "rate"])
    parser.add_argument("--in-flight", nargs="+", type=int, default=[64, 100, 200, 400], help="of the closed loops")
    parser.add_argument("--burst", nargs="+", type=int, default=[50, 100, 400, 1_000], help="calls in each burst")
    parser.add_argument("--connections", nargs="+", type=int, default=[1, 20], help="of the bursts")
    parser.add_argument(
        "--times", nargs="+", type=float, default=[1.2, 1.5, 3.0], help="the saturation, at constant rates"
    )
    parser.add_argument("--transport", default="native")
    parser.add_argument("--io-threads", default="1", help="of the server")
    parser.add_argument("--spinners", type=int, default=0, help="processes that keep a core busy each")
    parser.add_argument("--base", help="another revision, which is measured instead")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-overload", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    loads: list[Load] = []
    overloads: list[tuple[float, Overload, Outcome]] = []
    with open_rig(given.visitors) as rig, _spinning(given.spinners), console.status("starting") as status:
        checkout = rig.check_out(given.base) if given.base else None
        url = rig.start_store(checkout)
        flags = ("--metrics-port", "0", "--transport", given.transport, "--io-threads", given.io_threads)
        server = rig.start_presage(url, *flags, checkout=checkout)
        calls = rig.write_calls("score")
        run_load(server.address, calls, in_flight=16, seconds=1.0)
        for number in range(given.rounds):
            status.update(f"round {number + 1} of {given.rounds}")
            if "loops" in given.part:
                loads += [closed_loop(server.address, calls, count, given.seconds) for count in given.in_flight]
            if "bursts" in given.part:
                loads += [
                    bursts(server.address, calls, count, connections)
                    for connections in given.connections
                    for count in given.burst
                ]
            if "rate" in given.part:
                for times in given.times:
                    over = overload(server.address, calls, times=times, seconds=given.seconds)
                    with rejecting_server(int(given.io_threads), calls.paths) as address:
                        only_rejected = offered(address, calls, over.offered_per_second, given.seconds)
                    overloads.append((times, over, only_rejected))
    if loads:
        console.print(loads_table(loads))
    if overloads:
        console.print(overloads_table(overloads))
    write_json(given.to, {"loads": [asdict(one) for one in loads], "rate": [asdict(over) for _, over, _ in overloads]})
    return 0


@contextmanager
def _spinning(count: int) -> Iterator[None]:
    """Keep cores busy with other processes."""
    with ExitStack() as stack:
        for _ in range(count):
            words = [*end_with_parent(), sys.executable, "-c", "while True: pass"]
            stack.callback(stack.enter_context(subprocess.Popen(words)).kill)
        yield


if __name__ == "__main__":
    sys.exit(main())
