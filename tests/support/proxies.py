"""What a network does to a store: answers that get lost, come late or in pieces; a store that only listens."""

from __future__ import annotations

import asyncio
import itertools
import ssl
import threading
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from contextlib import AbstractAsyncContextManager, asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from typing import TypeVar

from support.stores import LocalStore

T = TypeVar("T")


@contextmanager
def in_thread(context: AbstractAsyncContextManager[T]) -> Iterator[T]:
    """Run one of the servers below on an event loop in another thread, for tests that block."""
    with asyncio.Runner() as runner:
        loop = runner.get_loop()
        thread = threading.Thread(target=loop.run_forever)
        thread.start()
        try:
            entered = asyncio.run_coroutine_threadsafe(context.__aenter__(), loop).result()
            try:
                yield entered
            finally:
                asyncio.run_coroutine_threadsafe(context.__aexit__(None, None, None), loop).result()
        finally:
            loop.call_soon_threadsafe(loop.stop)
            thread.join()


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
    async with listening(lambda reader, writer: running.carry(reader, writer, store.socket)) as port:
        running.url = f"redis://127.0.0.1:{port}"
        yield running


@dataclass(frozen=True, kw_only=True, slots=True)
class Road:
    """How answers travel: in pieces, late, and for each connection up to where it breaks."""

    pieces_bytes: Sequence[int]
    """The sizes of the pieces, over and over."""
    pauses_ms: Sequence[float]
    """The pauses before the pieces, over and over; 0 is a turn of the loop."""
    breaks_after_bytes: Sequence[int] = ()
    """After how many bytes of answers the first connections break; later ones do not."""


@asynccontextmanager
async def rough_proxy(store: LocalStore, road: Road) -> AsyncIterator[str]:
    """Run a proxy before a store on a rough road; answers with a URL."""
    breaks = iter(road.breaks_after_bytes)
    pieces, pauses = itertools.cycle(road.pieces_bytes), itertools.cycle(road.pauses_ms)

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        store_reader, store_writer = await asyncio.open_unix_connection(store.socket)
        requests = asyncio.create_task(_pump(reader, store_writer))
        left = next(breaks, None)
        try:
            while left != 0:
                size = next(pieces) if left is None else min(next(pieces), left)
                if not (piece := await store_reader.read(size)):
                    return
                await asyncio.sleep(next(pauses) / 1e3)
                writer.write(piece)
                left = None if left is None else left - len(piece)
        finally:
            requests.cancel()
            store_writer.close()
            writer.close()
            await asyncio.gather(requests, store_writer.wait_closed(), writer.wait_closed(), return_exceptions=True)

    async with listening(carry) as port:
        yield f"redis://127.0.0.1:{port}"


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

    async with listening(listen) as port:
        yield f"redis://127.0.0.1:{port}", asked


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    with suppress(ConnectionError):
        while data := await reader.read(1 << 20):
            writer.write(data)
    writer.close()


@asynccontextmanager
async def listening(
    serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]], tls: ssl.SSLContext | None = None
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

    server = await asyncio.start_server(handle, "127.0.0.1", 0, ssl=tls)
    try:
        yield server.sockets[0].getsockname()[1]
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
