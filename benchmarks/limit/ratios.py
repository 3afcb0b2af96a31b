"""How far others are from the limit."""

from __future__ import annotations

from collections.abc import Sequence

from rich.table import Table

from benchmarks.rig.figures import Figure

__all__ = ["ratios_table"]


def ratios_table(figures: Sequence[Figure], limit: str) -> Table:
    """Lay out each figure as a multiple of that of the server that is the limit, at the same number in flight.

    Args:
        figures: All of one scenario.
        limit: The server's name.
    """
    limits = {one.in_flight: one for one in figures if one.server == limit}
    table = Table(
        *("in flight", "server", "calls/s", "p50", "p99", "p99.9", "CPU"),
        caption=f"multiples of what {limit} has; native and grpcio are Presage's transports",
    )
    for one in figures:
        if one.server != limit:
            base = limits[one.in_flight]
            pairs = [
                (getattr(one, field), getattr(base, field))
                for field in ("per_second", "p50_us", "p99_us", "p999_us", "server_cpu_us")
            ]
            table.add_row(str(one.in_flight), one.server, *(_ratio(*pair) for pair in pairs))
    return table


def _ratio(value: float, base: float) -> str:
    """Divide; a dash where nothing was measured."""
    return f"{value / base:.2f}" if base else "-"
