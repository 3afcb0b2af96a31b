"""A server's metrics, read as Prometheus reads them."""

from __future__ import annotations

import asyncio


async def metrics_text(port: int, token: str = "") -> str:
    """Ask a server of this machine for all its metrics."""
    authorization = f"Authorization: Bearer {token}\r\n" if token else ""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(f"GET /metrics HTTP/1.1\r\nHost: x\r\n{authorization}\r\n".encode())
    text = (await reader.read()).decode()
    writer.close()
    return text


async def metric(port: int, series: str) -> float:
    """Ask for the value of one series, named as the text has it: its name, and its labels if it has any."""
    (line,) = [line for line in (await metrics_text(port)).splitlines() if line.startswith(f"{series} ")]
    return float(line.rpartition(" ")[2])
