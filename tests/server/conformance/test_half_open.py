"""Connections whose other end has gone silent: others are served, and the end does not wait for them."""

from __future__ import annotations

import asyncio
import signal
from contextlib import AsyncExitStack

import grpc
import pytest

from support.http2_frames import DATA, PREFACE, call, frame, head, message, raw_connection, settings
from support.plain_service import ECHO
from support.running_server import GENEROUS_SECONDS, server_process
from support.transport_differences import expected

SILENCES = {
    "no byte": b"",
    "half a preface": PREFACE[:12],
    "a preface and no settings": PREFACE,
    "no call": PREFACE + settings(),
    "half a frame": PREFACE + settings() + call(1, ECHO)[:20],
    "half a call": PREFACE + settings() + head(1, ECHO) + frame(DATA, 0, 1, message(b"half", length_bytes=8)),
}
FAR_MORE_SECONDS = 20 * GENEROUS_SECONDS
"""What nobody waits for."""


@pytest.mark.parametrize("silence", SILENCES)
@pytest.mark.parametrize("drains", [False, True], ids=["at once", "with a drain"])
async def test_others_are_served_and_the_server_ends(plain, channel, each_transport, silence, drains):
    in_part = silence.startswith("half a") and silence != "half a preface"
    waited_for = in_part and expected("a call in part, in a drain", each_transport) == "waited for"
    grace_seconds = (0.2 if waited_for else FAR_MORE_SECONDS) if drains else 0.0
    async with AsyncExitStack() as stack:
        for _ in range(20):
            await stack.enter_async_context(raw_connection(plain.address, opening=SILENCES[silence]))
        answers = await asyncio.gather(*(channel.unary_unary(ECHO)(bytes([number])) for number in range(50)))
        assert answers == [bytes([number]) for number in range(50)]
        async with asyncio.timeout(GENEROUS_SECONDS):
            await plain.transport.stop(grace_seconds)


async def test_a_process_ends_at_sigterm_with_silent_connections(each_transport, store, models, tmp_path):
    flags = ("--models", str(models), "--redis-url", store.url, "--drain-seconds", str(FAR_MORE_SECONDS))
    with server_process(tmp_path / "log", *flags) as server:
        async with AsyncExitStack() as stack:
            for opening in list(SILENCES.values())[:4]:
                await stack.enter_async_context(raw_connection(server.address, opening=opening))
            async with grpc.aio.insecure_channel(server.address) as channel:
                await channel.channel_ready()
            server.signal(signal.SIGTERM)
            assert await asyncio.to_thread(server.wait) == (0, "")
