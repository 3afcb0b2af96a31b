"""Changes of the models, in all workers or in none: all prepare, and only then all serve."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager

import msgspec

from presage_server.models.plan import Plan
from presage_server.models.reloading import ApplyError
from presage_server.workers.process import WorkerProcess

__all__ = ["AllOrNone"]

_logger = logging.getLogger(__name__)

_START_SECONDS = 30.0
_PREPARE_SECONDS = 60.0
_COMMIT_SECONDS = 15.0


class AllOrNone:
    """What all workers of a server serve. For the supervisor's event loop.

    Args:
        serving: Returns the workers that serve now.
        plan: What they serve at first; None: what each chooses.
    """

    def __init__(self, serving: Callable[[], Sequence[WorkerProcess]], plan: Plan | None = None) -> None:
        self.plan = plan
        """What a worker that starts has to serve."""
        self._serving = serving
        self._starting = 0
        self._changing = False
        self._changed = asyncio.Condition()

    @asynccontextmanager
    async def starting(self) -> AsyncIterator[None]:
        """Hold changes off while a worker starts: it would serve what was before, beside others that do not."""
        async with self._changed:
            await self._changed.wait_for(lambda: not self._changing)
            self._starting += 1
        try:
            yield
        finally:
            async with self._changed:
                self._starting -= 1
                self._changed.notify_all()

    async def change(self, plan: Plan) -> None:
        """Have all workers serve a plan.

        Raises:
            ApplyError: One of them cannot prepare it in time; nothing has changed in any.
        """
        async with self._held():
            workers = list(self._serving())
            encoded = msgspec.to_builtins(plan)
            replies = await asyncio.gather(
                *(worker.request("prepare", _PREPARE_SECONDS, plan=encoded) for worker in workers)
            )
            for reply in replies:
                if problem := reply.get("problem"):
                    for worker in workers:
                        worker.send("abandon")
                    key = reply.get("key")
                    raise ApplyError(str(problem), None if key is None else (key[0], key[1]))
            # From here on there is no way back: a worker that starts again serves the new plan.
            self.plan = plan
            replies = await asyncio.gather(*(worker.request("commit", _COMMIT_SECONDS) for worker in workers))
            for worker, reply in zip(workers, replies, strict=True):
                if problem := reply.get("problem"):
                    _logger.error("worker %d is ended, as it does not change its models: %s", worker.number, problem)
                    worker.kill()

    @asynccontextmanager
    async def _held(self) -> AsyncIterator[None]:
        """Hold off workers that want to start, and wait for those that do."""
        self._changing = True
        try:
            try:
                async with asyncio.timeout(_START_SECONDS), self._changed:
                    await self._changed.wait_for(lambda: not self._starting)
            except TimeoutError:
                raise ApplyError(f"a worker has been starting for more than {_START_SECONDS:g} s") from None
            yield
        finally:
            self._changing = False
            async with self._changed:
                self._changed.notify_all()
