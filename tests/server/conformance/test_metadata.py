"""Metadata, both ways: text and bytes, many, and more than is allowed."""

from __future__ import annotations

import random

import grpc
import pytest

from presage_server.transport.interface import MAX_METADATA_BYTES
from support.plain_service import ECHO, FAIL, plain_server

LIMIT_BYTES = MAX_METADATA_BYTES
"""Between this and twice as much, grpc-core refuses some calls at random."""


async def returned(channel, metadata) -> list:
    """Send metadata with a call that fails; return the server's copy of it, as the client shows it."""
    with pytest.raises(grpc.aio.AioRpcError) as failed:
        await channel.unary_unary(FAIL)(b"", metadata=metadata)
    return [pair for pair in failed.value.trailing_metadata() if pair[0].startswith("x-") and pair[0] != "x-why-bin"]


@pytest.mark.parametrize(
    "values",
    [
        [("x-text", "a value, with = and ;")],
        [("x-text", "~ !\"#$%&'()*+-./:<=>?@[]^_`{|}")],
        [("x-empty", "")],
        [("x-bytes-bin", bytes(range(256)))],
        *([("x-bytes-bin", bytes(length))] for length in range(4)),
        [("x-same", "one"), ("x-same", "two"), ("x-same", "three")],
        [("x-same-bin", b"one"), ("x-same-bin", b"\0")],
    ],
    ids=lambda values: f"{len(values)} of {values[0][0]} {len(values[0][1])}",
)
async def test_metadata_arrives_and_comes_back_as_it_was(plain, channel, values):
    assert await returned(channel, values) == values
    assert await channel.unary_unary(ECHO)(b"", metadata=values) == b""
    (seen,) = plain.seen
    key = values[0][0]
    assert seen[key] == [value for _, value in values]


async def test_many_entries_keep_their_order(channel):
    dice = random.Random(1)
    values = [(f"x-{number % 25:02}-bin", dice.randbytes(number % 10)) for number in range(100)]
    assert await returned(channel, values) == sorted(values, key=lambda pair: list(dict(values)).index(pair[0]))


async def test_metadata_below_the_limit_is_never_refused(each_transport):
    """More than that: see the malformed calls."""
    async with (
        plain_server(each_transport) as plain,
        grpc.aio.insecure_channel(plain.address) as channel,
    ):
        echo = channel.unary_unary(ECHO)
        for _ in range(20):
            assert await echo(b"below", metadata=[("y-big", "y" * (LIMIT_BYTES - 1_000))]) == b"below"
