"""What the page Models reads of a server."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence

from presage_client import AsyncClient, ModelDetails, ModelSummary, PresageError
from presage_console.errors import RequestError

__all__ = ["MOST_VERSIONS", "find_model", "read_details"]

MOST_VERSIONS = 40
"""Of how many versions the page says what their bundles say, the newest first: each costs the server the reading of a file."""


async def find_model(client: AsyncClient, name: str) -> ModelSummary:
    """Find one model.

    Raises:
        RequestError: The server has no such model.
        PresageError: The server cannot be asked.
    """
    models = await client.list_models()
    found = next((model for model in models if model.name == name), None)
    if found is None:
        names = ", ".join(model.name for model in models) or "none"
        raise RequestError(f"The server has no model {name[:64]!r}; it has: {names}.", 404)
    return found


async def read_details(client: AsyncClient, model: str, versions: Sequence[str]) -> Mapping[str, ModelDetails]:
    """Return what is known of the newest versions, by version; those that cannot be read are left out.

    Args:
        client: Of the server.
        model: The model's name.
        versions: The oldest first.
    """
    newest = versions[-MOST_VERSIONS:]
    found = await asyncio.gather(*(_read(client, model, version) for version in newest))
    return {version: details for version, details in zip(newest, found, strict=True) if details is not None}


async def _read(client: AsyncClient, model: str, version: str) -> ModelDetails | None:
    try:
        return await client.get_model(model, version=version)
    except PresageError:
        return None
