"""Metadata, both ways: text and bytes, many, and more than is allowed."""

from __future__ import annotations

import random

import grpc
import pytest

from support.plain_service import ECHO, plain_server

LIMIT_BYTES = 8 << 10
"""As the service sets it. Between this and twice as much, grpc-core refuses some calls at random."""


async def echoed(channel, metadata) -> tuple[list, list]:
    """Send metadata; answer with those of its kind that came first and last, as the client shows them."""
    made = channel.unary_unary(ECHO)(b"", metadata=metadata)
    await made
    first, last = await made.initial_metadata(), await made.trailing_metadata()
    return [pair for pair in first if pair[0].startswith("x-")], [pair for pair in last if pair[0].startswith("x-")]


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
    first, last = await echoed(channel, values)
    assert first == last == values
    (seen,) = plain.seen
    key = values[0][0]
    assert seen[key] == [value for _, value in values]


async def test_many_entries_keep_their_order(channel):
    dice = random.Random(1)
    values = [(f"x-{number % 25:02}-bin", dice.randbytes(number % 10)) for number in range(100)]
    first, last = await echoed(channel, values)
    assert first == last == sorted(values, key=lambda pair: list(dict(values)).index(pair[0]))


async def test_metadata_below_the_limit_is_never_refused(each_transport):
    """More than that: see the malformed calls."""
    async with (
        plain_server(each_transport, [("grpc.max_metadata_size", LIMIT_BYTES)]) as plain,
        grpc.aio.insecure_channel(plain.address) as channel,
    ):
        echo = channel.unary_unary(ECHO)
        for _ in range(20):
            assert await echo(b"below", metadata=[("y-big", "y" * (LIMIT_BYTES - 1_000))]) == b"below"
