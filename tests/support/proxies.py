"""What a network does to a store: answers that get lost, and a store that takes connections and says nothing."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass, field
from random import Random

from support.stores import LocalStore


@dataclass(slots=True)
class Proxy:
    """Stands before a store. Use ``proxy``, which runs it."""

    url: str = ""
    lose_answer_to: bytes = b""
    """The answer to the next request with these bytes in it gets lost, and with it the connection."""
    lost: list[bytes] = field(default_factory=list)
    """The answers that got lost."""
    meanwhile: Callable[[], Awaitable[None]] | None = None
    """What happens between such an answer and its loss."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: str) -> None:
        """Carry one connection to the store at the socket."""
        store_reader, store_writer = await asyncio.open_unix_connection(socket)
        answers = asyncio.create_task(_pump(store_reader, writer))
        try:
            while request := await reader.read(1 << 20):
                if self.lose_answer_to and self.lose_answer_to in request:
                    self.lose_answer_to = b""
                    answers.cancel()
                    await asyncio.gather(answers, return_exceptions=True)
                    store_writer.write(request)
                    self.lost.append(await store_reader.read(1 << 20))
                    if self.meanwhile:
                        await self.meanwhile()
                    return
                store_writer.write(request)
        finally:
            answers.cancel()
            store_writer.close()
            writer.close()
            await asyncio.gather(answers, store_writer.wait_closed(), writer.wait_closed(), return_exceptions=True)


@asynccontextmanager
async def proxy(store: LocalStore) -> AsyncIterator[Proxy]:
    """Run a proxy before a store for as long as the context lasts."""
    running = Proxy()
    async with _listening(lambda reader, writer: running.carry(reader, writer, store.socket)) as port:
        running.url = f"redis://127.0.0.1:{port}"
        yield running


@asynccontextmanager
async def silent_store() -> AsyncIterator[tuple[str, asyncio.Event]]:
    """Take connections and say nothing; answers with a URL, and with what is set once somebody has asked for something."""
    asked = asyncio.Event()

    async def listen(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            while await reader.read(1 << 20):
                asked.set()
        finally:
            writer.close()

    async with _listening(listen) as port:
        yield f"redis://127.0.0.1:{port}", asked


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            writer.write(data)
    writer.close()


@asynccontextmanager
async def _listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
) -> AsyncIterator[int]:
    """Serve connections on a free port of this machine; all of them end with the context."""
    tasks: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        with suppress(ConnectionError, asyncio.CancelledError):
            await serve(reader, writer)
        tasks.discard(task)

    server = await asyncio.start_server(handle, "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


@dataclass(slots=True)
class Disturbance:
    """What a bad network does, drawn by chance: it waits, cuts answers into pieces, and breaks connections."""

    random: Random
    break_share: float = 0.0
    """Of the pieces of answers, how many end their connection instead of being carried."""
    url: str = ""
    broken: int = 0
    """Connections broken so far."""

    async def carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, socket: str) -> None:
        """Carry one connection to the store at the socket."""
        store_reader, store_writer = await asyncio.open_unix_connection(socket)
        requests = asyncio.create_task(_pump(reader, store_writer))
        try:
            while answer := await store_reader.read(self.random.choice((1, 3, 17, 4_096))):
                if self.random.random() < self.break_share:
                    self.broken += 1
                    return
                if self.random.random() < 0.2:
                    await asyncio.sleep(self.random.random() * 0.002)
                writer.write(answer)
        finally:
            requests.cancel()
            store_writer.close()
            writer.close()
            await asyncio.gather(requests, return_exceptions=True)


@asynccontextmanager
async def disturbed(store: LocalStore, *, seed: int, break_share: float) -> AsyncIterator[Disturbance]:
    """Put a bad network before a store for as long as the context lasts."""
    running = Disturbance(Random(seed), break_share)
    async with _listening(lambda reader, writer: running.carry(reader, writer, store.socket)) as port:
        running.url = f"redis://127.0.0.1:{port}"
        yield running
