"""Fixtures of the conformance suite: a plain service behind each transport."""

from __future__ import annotations

from collections.abc import AsyncIterator

import grpc
import pytest

from support.plain_service import PlainService, plain_server


@pytest.fixture
async def plain(each_transport) -> AsyncIterator[PlainService]:
    """A service without store and models, behind each transport."""
    async with plain_server(each_transport) as service:
        yield service


@pytest.fixture
async def channel(plain) -> AsyncIterator[grpc.aio.Channel]:
    """A proper client's connection to it."""
    async with grpc.aio.insecure_channel(plain.address) as opened:
        yield opened
