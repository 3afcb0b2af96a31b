"""Server-sent events: HTML fragments that htmx swaps in, made once however many browsers show them."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress

from starlette.requests import Request
from starlette.responses import StreamingResponse

from presage_client import PresageError
from presage_console.errors import ConsoleError, RequestError
from presage_console.rendering import fragment

__all__ = ["MOST_STREAMS", "Hub", "stream"]

MOST_STREAMS = 200
"""Streams at a time: each is a connection that stays open, and a process has some 1,000 files."""

_logger = logging.getLogger(__name__)

Produce = Callable[[], Awaitable[str]]


def stream(request: Request, produce: Produce, *, every_seconds: float, key: str = "") -> StreamingResponse:
    """Push what ``produce`` returns, again and again, until the browser goes.

    In the page: ``<div hx-sse:connect="/live/events" hx-swap="innerMorph">…</div>``; each push replaces what is inside.

    Args:
        request: The request of the stream.
        produce: Returns a fragment, as ``rendering.fragment`` makes it. What it raises is shown instead, and it is called again.
        every_seconds: The pause between two calls of it.
        key: Names what is pushed; browsers that ask for the same key share one ``produce``. Empty: the path of the request. Made of
            what the request says, it is of few values: each has a ``produce`` that runs.

    Raises:
        RequestError: There are too many streams.
    """
    hub: Hub = request.app.state.console.hub
    if hub.streams >= MOST_STREAMS:
        raise RequestError(
            f"{MOST_STREAMS} pages are kept up to date already: close one, and open this one again.", 503
        )
    # What is made for the first browser is shown in all: nothing of its session may be in it.
    request.scope["console_session"] = None

    async def produce_or_explain() -> str:
        try:
            return await produce()
        except (ConsoleError, PresageError) as error:
            return fragment(request, "problem.html", message=str(error))
        except Exception:
            _logger.exception("a push of %r failed", request.url.path)
            return fragment(request, "problem.html", message="This failed; the console's log says why.")

    fragments = hub.follow(key or request.url.path, produce_or_explain, every_seconds)
    return StreamingResponse(
        (_event(text) async for text in fragments), media_type="text/event-stream", headers={"X-Accel-Buffering": "no"}
    )


def _event(text: str) -> str:
    """Write one message: https://html.spec.whatwg.org/multipage/server-sent-events.html."""
    lines = "\n".join(f"data: {line}" for line in text.splitlines())
    return f"{lines}\n\n"


class Hub:
    """Makes what is pushed, once for all browsers that follow the same key, and only while one does."""

    def __init__(self) -> None:
        self._channels: dict[str, _Channel] = {}
        self._stopped = asyncio.Event()

    def stop(self) -> None:
        """End all streams, as a server does that stops; those that begin later end at once."""
        self._stopped.set()
        for channel in self._channels.values():
            channel.wake()

    @property
    def keys(self) -> list[str]:
        """What is followed now."""
        return sorted(self._channels)

    @property
    def streams(self) -> int:
        """How many follow something now."""
        return sum(channel.followers for channel in self._channels.values())

    async def follow(self, key: str, produce: Produce, every_seconds: float) -> AsyncIterator[str]:
        """Yield the newest fragment of a key, and each one after it; a slow reader skips some."""
        channel = self._channels.get(key)
        if channel is None:
            channel = self._channels[key] = _Channel(produce, every_seconds)
        channel.followers += 1
        seen = 0
        try:
            while not self._stopped.is_set():
                if channel.number == seen:
                    await channel.changed.wait()
                    continue
                seen = channel.number
                yield channel.newest
        finally:
            channel.followers -= 1
            if not channel.followers:
                self._channels.pop(key, None)
                await channel.close()


class _Channel:
    """One source of fragments, and its newest one."""

    def __init__(self, produce: Produce, every_seconds: float) -> None:
        self.followers = 0
        self.number = 0
        """Grows with each fragment."""
        self.newest = ""
        self.changed = asyncio.Event()
        self._task = asyncio.create_task(self._run(produce, every_seconds))

    def wake(self) -> None:
        """Let all followers look."""
        changed, self.changed = self.changed, asyncio.Event()
        changed.set()

    async def close(self) -> None:
        """Stop making fragments."""
        self._task.cancel()
        with suppress(asyncio.CancelledError):
            await self._task

    async def _run(self, produce: Produce, every_seconds: float) -> None:
        while True:
            self.newest = await produce()
            self.number += 1
            self.wake()
            await asyncio.sleep(every_seconds)
