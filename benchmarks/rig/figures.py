"""What loads come to: the medians of the rounds of one configuration, and a table of them."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from statistics import median

from rich.console import Console
from rich.table import Table

from benchmarks.rig.load import Outcome

__all__ = ["Cpu", "Figure", "figures_console", "figures_table"]


_WIDTH = 140


@dataclass(frozen=True, kw_only=True, slots=True)
class Cpu:
    """Processor time in microseconds for each call, of one round."""

    server_us: float
    store_us: float
    generator_us: float


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Medians over the rounds of one configuration."""

    server: str
    scenario: str
    in_flight: int
    """Calls at once in a closed loop; 0 at a constant rate."""
    rate: float = 0.0
    """Calls a second that were due; 0 in a closed loop."""
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    server_cpu_us: float
    """Processor time of the server for each call."""
    store_cpu_us: float
    """That of the store."""
    generator_cpu_us: float
    """That of the load generator."""
    errors: int
    """Of all rounds."""
    spread: float
    """(largest - smallest) / median of the rounds' calls a second."""

    @classmethod
    def of(
        cls, server: str, scenario: str, in_flight: int, rounds: Sequence[tuple[Outcome, Cpu]], *, rate: float = 0.0
    ) -> Figure:
        """Take the medians of some rounds."""
        outcomes = [outcome for outcome, _ in rounds]
        rates = [outcome.per_second for outcome in outcomes]
        return cls(
            server=server,
            scenario=scenario,
            in_flight=in_flight,
            rate=rate,
            per_second=median(rates),
            p50_us=median(outcome.ok.p50_us for outcome in outcomes),
            p99_us=median(outcome.ok.p99_us for outcome in outcomes),
            p999_us=median(outcome.ok.p999_us for outcome in outcomes),
            server_cpu_us=median(cpu.server_us for _, cpu in rounds),
            store_cpu_us=median(cpu.store_us for _, cpu in rounds),
            generator_cpu_us=median(cpu.generator_us for _, cpu in rounds),
            errors=sum(outcome.errors for outcome in outcomes),
            spread=(max(rates) - min(rates)) / max(median(rates), 1e-9),
        )


def figures_table(figures: Sequence[Figure]) -> Table:
    """Lay figures out, one in each line."""
    table = Table(
        *("scenario", "in flight", "server", "calls/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "errors", "spread"),
        caption="medians of the rounds; CPU for each call is that of the server + the store + the generator, all on one machine",
    )
    for one in figures:
        table.add_row(
            one.scenario,
            f"{one.rate:,.0f}/s" if one.rate else str(one.in_flight),
            one.server,
            f"{one.per_second:,.0f}",
            f"{one.p50_us:,.0f}",
            f"{one.p99_us:,.0f}",
            f"{one.p999_us:,.0f}",
            f"{one.server_cpu_us:,.0f} + {one.store_cpu_us:,.0f} + {one.generator_cpu_us:,.0f}",
            str(one.errors),
            f"{one.spread:.0%}",
        )
    return table


def figures_console() -> Console:
    """Make a console whose lines have room for the tables, also where there is no terminal to tell its width."""
    console = Console()
    return console if console.is_terminal else Console(width=_WIDTH)
