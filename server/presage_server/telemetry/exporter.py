"""``python -m presage_server.telemetry.exporter`` serves a server's metrics and readiness over HTTP, outside the server's process.

Its standard input is a socket to the server, which answers each byte with a frame: what it counts, and why it is not ready. Its
arguments are the server's process id, and the descriptors of the sockets that it listens on.
"""

from __future__ import annotations

import asyncio
import os
import signal
import socket
import sys

from prometheus_client import CollectorRegistry, ProcessCollector, generate_latest

from presage_server.telemetry.exposition import Exposed, SilentError, serve_http
from presage_server.telemetry.samples import text_of, to_metrics
from presage_server.workers.helper import read_frame
from presage_server.workers.priority import lower_priority

__all__ = ["main"]

_NICE = 10
_ANSWER_SECONDS = 2.0


def main() -> None:
    """Serve until the server is gone."""
    lower_priority(_NICE)
    pid, *descriptors = map(int, sys.argv[1:])
    asyncio.run(_serve(pid, [socket.socket(fileno=descriptor) for descriptor in descriptors]))


async def _serve(pid: int, sockets: list[socket.socket]) -> None:
    reader, writer = await asyncio.open_unix_connection(sock=socket.socket(fileno=os.dup(0)))
    server = _Server(reader, writer, pid)
    await serve_http(server.ask, sockets)
    await server.gone.wait()


class _Server:
    """The server, as it is asked over the socket."""

    def __init__(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter, pid: int) -> None:
        self._reader, self._writer = reader, writer
        self._process = CollectorRegistry()
        ProcessCollector(pid=lambda: pid, registry=self._process)
        self.gone = asyncio.Event()
        self._listening = asyncio.create_task(self._listen())
        self._waiting: asyncio.Future[Exposed] | None = None

    async def ask(self) -> Exposed:
        """Return the server's report; raises SilentError."""
        if self._waiting is None:
            self._waiting = asyncio.get_running_loop().create_future()
            self._writer.write(b"?")
        try:
            async with asyncio.timeout(_ANSWER_SECONDS):
                return await asyncio.shield(self._waiting)
        except TimeoutError:
            raise SilentError(f"the server has not answered within {_ANSWER_SECONDS:g} s") from None

    async def _listen(self) -> None:
        try:
            while True:
                plain, unready, readers = await read_frame(self._reader)
                text = text_of(to_metrics(plain)) + generate_latest(self._process)
                waiting, self._waiting = self._waiting, None
                if waiting is not None:
                    waiting.set_result(Exposed(text, unready, readers))
        except (OSError, asyncio.IncompleteReadError):
            pass
        finally:  # after a defect, too: this process is started again, where a silent one would stay
            self.gone.set()


if __name__ == "__main__":
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    main()
