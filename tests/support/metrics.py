"""A server's metrics, read as Prometheus reads them."""

from __future__ import annotations

import asyncio


async def metrics_text(port: int) -> str:
    """Ask a server of this machine for all its metrics."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(b"GET /metrics HTTP/1.1\r\nHost: x\r\n\r\n")
    text = (await reader.read()).decode()
    writer.close()
    return text


async def metric(port: int, series: str) -> float:
    """Ask for the value of one series, named as the text has it: its name, and its labels if it has any."""
    (line,) = [line for line in (await metrics_text(port)).splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])
