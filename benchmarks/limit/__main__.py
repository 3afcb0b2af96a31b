"""``python -m benchmarks.limit``: Presage beside C++ servers that do the same by hand, with stores and calls alike, in turn.

The C++ servers are a floor, not peers: one does nothing, the other does by hand what this one model and this one state need.
Both use gRPC's completion queues, which are faster than its callbacks. With a second or third thread that reads calls
(``--threads``), a call takes half as long again at 1 in flight, since it wakes one thread more; at 64 the echo answers a quarter
more, the whole Score no more.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Mapping, Sequence
from dataclasses import asdict

from rich.console import Console

from benchmarks.limit.answers import compare_scores
from benchmarks.limit.build import Servers, build_servers
from benchmarks.limit.command import echo_command, service_command
from benchmarks.limit.states import compare_states
from benchmarks.rig.command import FAILED, load_options, run_benchmark, write_json
from benchmarks.rig.figures import Figure, LoadShape, figures_table, ratios_table
from benchmarks.rig.rig import Rig, open_rig
from benchmarks.rig.rounds import measure
from benchmarks.rig.server_parts import shipped_models
from benchmarks.rig.serving import Server

__all__ = ["main"]

_ECHO, _WHOLE = "C++ echo", "C++"
_TRANSPORTS = ("native", "grpcio")
_FLAGS = ("--metrics-port", "0")
"""Of every Presage: with metrics, as in production."""
_IN_FLIGHT: Mapping[str, Sequence[int]] = {"score": (1, 16, 64), "track": (4, 64), "score_batch_100": (1, 4)}


def main(arguments: list[str] | None = None) -> int:
    """Build, compare the answers, load, and print."""
    parser = load_options("limit", rounds=5, seconds=2.0)
    parser.add_argument("--scenario", nargs="+", choices=list(_IN_FLIGHT), default=list(_IN_FLIGHT))
    parser.add_argument("--in-flight", nargs="+", type=int, help="instead of those of each scenario")
    parser.add_argument("--transport", nargs="+", choices=_TRANSPORTS, default=list(_TRANSPORTS))
    parser.add_argument("--base", help="another revision, whose native server is measured too")
    parser.add_argument("--threads", type=int, default=1, help="that read calls, of each C++ server")
    given = parser.parse_args(arguments)
    return run_benchmark("bench-limit", lambda console: _run(given, console))


def _run(given: argparse.Namespace, console: Console) -> int:
    programs = build_servers()
    with open_rig(given.visitors) as rig:
        servers = _start(given, programs, rig, console)
        figures: list[Figure] = []
        with console.status("loading") as status:
            for scenario in given.scenario:
                figures += measure(
                    {name: server for name, server in servers.items() if _serves(name, scenario)},
                    scenario,
                    rig.write_calls(scenario),
                    [LoadShape(in_flight=number) for number in given.in_flight or _IN_FLIGHT[scenario]],
                    rounds=given.rounds,
                    seconds=given.seconds,
                    on_progress=status.update,
                )
    console.print(figures_table(figures))
    presages = [figure for figure in figures if not figure.server.startswith(_WHOLE)]
    for some, reference in ((figures, _WHOLE), (presages, _base_name(given))):
        if table := ratios_table(some, reference):
            console.print(table)
    write_json(given.to, [asdict(figure) for figure in figures])
    failed = any(figure.errors for figure in figures if figure.server != _base_name(given))
    return FAILED if failed else 0


def _start(given: argparse.Namespace, programs: Servers, rig: Rig, console: Console) -> dict[str, Server]:
    """Start all servers, each on a store of its own: they fold the same events, but not equally many in the same time."""
    url = rig.start_store()
    servers = {
        _ECHO: rig.start_program(echo_command(programs.echo, threads=given.threads), url),
        _WHOLE: rig.start_program(service_command(programs.service, url, threads=given.threads), url),
    }
    models = ("--models", str(shipped_models()))
    urls = {}
    for name in given.transport:
        urls[name] = rig.start_store()
        servers[name] = rig.start_presage(urls[name], *models, *_FLAGS, "--transport", name)
        compared = compare_scores(servers[_WHOLE].address, servers[name].address, rig.now_unix_micros)
        console.print(f"{_WHOLE} and Presage, {name}: {compared:,} scores compared, all the same")
    addresses = {url: servers[_WHOLE].address} | {urls[name]: servers[name].address for name in urls}
    compared = compare_states(addresses, given.visitors, rig.now_unix_micros)
    console.print(f"{_WHOLE} and Presage: {compared:,} events folded, all states and event logs the same to the byte")
    if given.base:
        checkout = rig.check_out(given.base)
        store = rig.start_store(checkout)
        servers[_base_name(given)] = rig.start_presage(store, *_FLAGS, "--transport", "native", checkout=checkout)
    return servers


def _serves(name: str, scenario: str) -> bool:
    if name == _ECHO:
        return scenario == "score"
    return name != _WHOLE or scenario in {"score", "track"}


def _base_name(given: argparse.Namespace) -> str:
    return f"{str(given.base)[:12]}, native"


if __name__ == "__main__":
    sys.exit(main())
