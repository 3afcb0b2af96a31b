"""The figures of loads: of each round and their medians, as tables and as ratios to another server's."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

from rich.table import Table

from benchmarks.rig.load import Outcome

__all__ = ["Figure", "LoadShape", "RoundFigures", "figures_table", "ratios", "ratios_table"]


@dataclass(frozen=True, kw_only=True, slots=True)
class LoadShape:
    """How calls are made: in a closed loop with a number in flight, or at a constant rate."""

    in_flight: int = 0
    """Calls at once in a closed loop; 0 at a constant rate."""
    rate: float = 0.0
    """Calls a second that are due; 0 in a closed loop."""
    connections: int = 1

    def __str__(self) -> str:
        """Describe it in a few characters."""
        return f"{self.rate:,.0f}/s" if self.rate else str(self.in_flight)

    @property
    def options(self) -> Mapping[str, Any]:
        """The generator's options."""
        return {name: value for name, value in asdict(self).items() if value}


@dataclass(frozen=True, kw_only=True, slots=True)
class RoundFigures:
    """What one load showed; the processor times are microseconds for each call."""

    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    server_cpu_us: float
    store_cpu_us: float
    generator_cpu_us: float
    errors: int
    """Calls that failed, were rejected, or were never sent."""

    @classmethod
    def of(
        cls, outcome: Outcome, *, server_cpu_us: float = 0.0, store_cpu_us: float = 0.0, generator_cpu_us: float = 0.0
    ) -> RoundFigures:
        """Take the figures of a load."""
        return cls(
            per_second=outcome.per_second,
            p50_us=outcome.ok.p50_us,
            p99_us=outcome.ok.p99_us,
            p999_us=outcome.ok.p999_us,
            server_cpu_us=server_cpu_us,
            store_cpu_us=store_cpu_us,
            generator_cpu_us=generator_cpu_us,
            errors=outcome.errors,
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Figure:
    """Medians over the rounds of one server under one load."""

    server: str
    scenario: str
    in_flight: int
    """Calls at once in a closed loop; 0 at a constant rate."""
    rate: float
    """Calls a second that were due; 0 in a closed loop."""
    per_second: float
    p50_us: float
    p99_us: float
    p999_us: float
    server_cpu_us: float
    store_cpu_us: float
    generator_cpu_us: float
    errors: int
    """Of all rounds."""
    spread: float
    """(largest - smallest) / median of the rounds' calls a second."""
    rounds: Sequence[RoundFigures]

    @classmethod
    def of(cls, server: str, scenario: str, shape: LoadShape, rounds: Sequence[RoundFigures]) -> Figure:
        """Take the medians of some rounds."""
        medians = {
            name: median(getattr(one, name) for one in rounds) for name in RoundFigures.__slots__ if name != "errors"
        }
        rates = [one.per_second for one in rounds]
        return cls(
            server=server,
            scenario=scenario,
            in_flight=shape.in_flight,
            rate=shape.rate,
            errors=sum(one.errors for one in rounds),
            spread=(max(rates) - min(rates)) / max(median(rates), 1e-9),
            rounds=tuple(rounds),
            **medians,
        )

    @property
    def load(self) -> str:
        """Describe the load in a few characters."""
        return str(LoadShape(in_flight=self.in_flight, rate=self.rate))


def figures_table(figures: Sequence[Figure]) -> Table:
    """Lay figures out, one in each line."""
    table = Table(
        *("scenario", "in flight", "server", "calls/s", "p50 µs", "p99 µs", "p99.9 µs", "CPU µs", "errors", "spread"),
        caption="medians of the rounds; CPU for each call is that of the server + the store + the generator, all on one machine",
    )
    for figure in figures:
        cpu = (figure.server_cpu_us, figure.store_cpu_us, figure.generator_cpu_us)
        table.add_row(
            figure.scenario,
            figure.load,
            figure.server,
            f"{figure.per_second:,.0f}",
            f"{figure.p50_us:,.0f}",
            f"{figure.p99_us:,.0f}",
            f"{figure.p999_us:,.0f}",
            " + ".join(f"{one:,.0f}" for one in cpu),
            str(figure.errors),
            f"{figure.spread:.0%}",
        )
    return table


def ratios(figure: Figure, reference: Figure, field: str) -> list[float]:
    """Divide a figure by another server's, round by round; empty where nothing was measured."""
    pairs = zip(figure.rounds, reference.rounds, strict=True)
    values = [(getattr(one, field), getattr(other, field)) for one, other in pairs]
    return [value / base for value, base in values if base]


def ratios_table(figures: Sequence[Figure], reference: str) -> Table | None:
    """Lay out figures as multiples of those of one server under the same loads; None if it has none.

    Args:
        figures: Of all servers.
        reference: The server's name.
    """
    references = {(figure.scenario, figure.load): figure for figure in figures if figure.server == reference}
    fields = ("per_second", "p50_us", "p99_us", "p999_us", "server_cpu_us")
    table = Table(
        *("scenario", "in flight", "server", "calls/s", "p50", "p99", "p99.9", "CPU"),
        title=f"multiples of {reference}",
        title_justify="left",
        caption="medians of the rounds' ratios; of calls/s also the smallest and the largest",
    )
    for figure in figures:
        base = references.get((figure.scenario, figure.load))
        if base is not None and base is not figure:
            rates, *others = (ratios(figure, base, field) for field in fields)
            spread = f" ({min(rates):.2f}..{max(rates):.2f})" if rates else ""
            cells = (f"{median(values):.2f}" if values else "-" for values in (rates, *others))
            first, *rest = cells
            table.add_row(figure.scenario, figure.load, figure.server, first + spread, *rest)
    return table if table.rows else None
