"""Workers of a running server, seen from outside, and connections that reach all of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any

import grpc

from presage.v1 import scoring_service_pb2_grpc
from support.running_server import GENEROUS_SECONDS, ServerProcess


def children(pid: int) -> dict[int, str]:
    """Return the command lines of a process's children, but for the one that verifies models, which all servers have."""
    pids = [int(child) for child in Path(f"/proc/{pid}/task/{pid}/children").read_text().split()]
    commands = {child: Path(f"/proc/{child}/cmdline").read_text().replace("\0", " ") for child in pids}
    return {child: command for child, command in commands.items() if "presage_server.models.verifier" not in command}


def workers_of(server: ServerProcess) -> list[int]:
    """Return the process ids of a server's workers."""
    return sorted(pid for pid, command in children(server.pid).items() if "presage_server.workers" in command)


async def until(condition: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something holds that happens by itself."""
    async with asyncio.timeout(GENEROUS_SECONDS):
        while not await condition():  # noqa: ASYNC110 - of other processes
            await asyncio.sleep(0.02)


@asynccontextmanager
async def channels(address: str, count: int) -> AsyncIterator[list[grpc.aio.Channel]]:
    """Open connections of their own: channels of one process share them unless told otherwise."""
    async with AsyncExitStack() as stack:
        options = [("grpc.use_local_subchannel_pool", 1)]
        opened = [grpc.aio.insecure_channel(address, options=options) for _ in range(count)]
        for channel in opened:
            await stack.enter_async_context(channel)
            await channel.channel_ready()
        yield opened


def stub_of(channel: grpc.aio.Channel) -> Any:
    """Make a stub of ScoringService."""
    return scoring_service_pb2_grpc.ScoringServiceStub(channel)
