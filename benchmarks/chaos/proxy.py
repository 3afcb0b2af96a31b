"""A proxy between a server and its store that delays, cuts and refuses connections, as set while it runs."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from random import Random

__all__ = ["StoreProxy", "run_proxy"]

_CHUNK_BYTES = 1 << 16


class StoreProxy:
    """Carries connections to a store. Use ``run_proxy``, which runs it; all attributes may change at any time.

    Args:
        target: The path of the store's unix socket; connections that are open stay with theirs.
        random: Decides which replies are cut.
    """

    def __init__(self, target: str, random: Random) -> None:
        self.target = target
        self.round_trip_seconds = 0.0
        """How much longer replies take."""
        self.cut_share = 0.0
        """The share of the pieces that replies come in after half of which the connection is cut."""
        self.cuts = 0
        self._random = random
        self._port = 0
        self._server: asyncio.Server | None = None
        self._connections: set[asyncio.Task[None]] = set()

    @property
    def url(self) -> str:
        """The store's URL through the proxy."""
        return f"redis://127.0.0.1:{self._port}"

    async def listen(self) -> None:
        """Take connections, again on the port that was used before."""
        self._server = await asyncio.start_server(self._carry, "127.0.0.1", self._port)
        self._port = self._server.sockets[0].getsockname()[1]

    async def refuse(self) -> None:
        """Cut all connections and refuse new ones until ``listen``."""
        if self._server is not None:
            self._server.close()
            self._server = None
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _carry(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        store_writer: asyncio.StreamWriter | None = None
        try:
            with suppress(OSError, asyncio.CancelledError):
                store_reader, store_writer = await asyncio.open_unix_connection(self.target)
                replies = asyncio.create_task(self._carry_replies(store_reader, writer))
                requests = asyncio.create_task(_pump(reader, store_writer))
                try:
                    await asyncio.wait((replies, requests), return_when=asyncio.FIRST_COMPLETED)
                finally:
                    for one in (replies, requests):
                        one.cancel()
                    await asyncio.gather(replies, requests, return_exceptions=True)
        finally:
            for end in (writer, store_writer):
                if end is not None:
                    end.transport.abort()
            self._connections.discard(task)

    async def _carry_replies(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Carry replies, each as late as it has to be, at any rate; returns when one was cut."""
        loop = asyncio.get_running_loop()
        under_way: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue()

        async def deliver() -> None:
            while True:
                due, data = await under_way.get()
                if (late := due - loop.time()) > 0:
                    await asyncio.sleep(late)
                writer.write(data)

        delivering = asyncio.create_task(deliver())
        try:
            while data := await reader.read(_CHUNK_BYTES):
                if self.cut_share and self._random.random() < self.cut_share:
                    self.cuts += 1
                    writer.write(data[: len(data) // 2])
                    await asyncio.sleep(0)
                    return
                under_way.put_nowait((loop.time() + self.round_trip_seconds, data))
        finally:
            delivering.cancel()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(_CHUNK_BYTES):
        writer.write(data)


@asynccontextmanager
async def run_proxy(target: str, random: Random) -> AsyncIterator[StoreProxy]:
    """Run a proxy before a store for as long as the context lasts."""
    proxy = StoreProxy(target, random)
    await proxy.listen()
    try:
        yield proxy
    finally:
        await proxy.refuse()
