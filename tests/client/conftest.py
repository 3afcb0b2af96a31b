"""Both clients behind one awaited interface."""

from __future__ import annotations

import asyncio

import pytest

from presage_client import AsyncClient, Client, ClientOptions


class Awaitable:
    """A blocking client whose methods are awaited, each call in a thread of its own."""

    def __init__(self, target: str, *, options: ClientOptions | None = None) -> None:
        self._client = Client(target, options=options)

    def __getattr__(self, name: str):
        async def call(*args, **kwargs):
            return await asyncio.to_thread(getattr(self._client, name), *args, **kwargs)

        return call


@pytest.fixture(params=[AsyncClient, Awaitable], ids=["async", "blocking"])
def client_class(request):
    return request.param


@pytest.fixture
def options():
    """Options that are generous, so that a busy machine fails no test that is not about time."""
    return ClientOptions(timeout_ms=20_000)


@pytest.fixture
async def client(client_class, target, options):
    client = client_class(target, options=options)
    yield client
    await client.close()
