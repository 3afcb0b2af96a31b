"""A store that answers by a script, for what no real one does."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager

from support.proxies import listening

Answer = Callable[[bytes, int], bytes | None]
"""Returns the reply to a request on the connection of this number; None: hang up."""

GREETING = b"+OK\r\n$0\r\n\r\n*3\r\n$6\r\nmaster\r\n:0\r\n*0\r\n"
"""The replies to CLIENT SETNAME, INFO and ROLE."""


@asynccontextmanager
async def scripted(answer: Answer, tls: ssl.SSLContext | None = None) -> AsyncIterator[tuple[str, list[bytes]]]:
    """Run a server that answers each request by a function of it; yields its URL, and all that it was sent."""
    seen: list[bytes] = []
    connections = 0

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        nonlocal connections
        number = connections
        connections += 1
        try:
            while request := await reader.read(1 << 20):
                seen.append(request)
                reply = answer(request, number)
                if reply is None:
                    return
                writer.write(reply)
        finally:
            writer.close()

    async with listening(serve, tls) as port:
        yield f"redis://127.0.0.1:{port}", seen


def greets(answer: Answer | bytes | None) -> Answer:
    """Greet as a primary does, and then answer by a function, or always in the same way."""

    def greet(request: bytes, number: int) -> bytes | None:
        if b"SETNAME" in request:
            return GREETING
        return answer(request, number) if callable(answer) else answer

    return greet
