"""A server's metrics, read as Prometheus reads them."""

from __future__ import annotations

import asyncio


async def exchange(port: int, request: bytes) -> bytes:
    """Send bytes to a port of this machine, and read until the other side closes."""
    reader, writer = await asyncio.open_connection("127.0.0.1", port)
    writer.write(request)
    writer.write_eof()
    answer = await reader.read()
    writer.close()
    return answer


async def readiness(port: int) -> tuple[int, str]:
    """Ask whether a server is ready; the status of HTTP, and what it says."""
    head, _, body = (await exchange(port, b"GET /ready HTTP/1.1\r\n\r\n")).decode().partition("\r\n\r\n")
    return int(head.split()[1]), body.strip()


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
