"""The routes of the page Items."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_client import (
    AccessDeniedError,
    AsyncClient,
    ModelKind,
    NotFoundError,
    PresageError,
    SimilarItems,
    UnsupportedError,
)
from presage_console.console import Console
from presage_console.errors import RequestError, SourceError
from presage_console.items.view import Tables, item_view, popular_view
from presage_console.rendering import NavEntry, render

__all__ = ["nav", "routes"]

nav = NavEntry(label="Items", path="/items", summary="What is popular, in stock, and bought together.")

_MAX_ID_BYTES = 256
_NEIGHBOURS = 20


async def show(request: Request) -> Response:
    """Answer GET /items: the most popular items, or with ``id`` one of them and what goes with it."""
    console: Console = request.app.state.console
    item_id = request.query_params.get("id", "")
    if len(item_id.encode(errors="replace")) > _MAX_ID_BYTES:
        raise RequestError(f"id: expected at most {_MAX_ID_BYTES} bytes, as items' ids have")
    try:
        if item_id:
            return await _show_item(request, console, item_id)
        view = popular_view(await console.server.client.list_items(), console.now())
    except UnsupportedError as error:
        raise SourceError("This server is older than the console: it cannot list items. Update it.") from error
    return render(request, "items/index.html", view=view)


async def _show_item(request: Request, console: Console, item_id: str) -> Response:
    client = console.server.client
    similar, problem = await _similar(client, item_id)
    others = [found.item_id for found in similar.items if found.item_id != item_id] if similar else []
    view = item_view(
        await client.list_items([item_id, *others]),
        similar,
        problem=problem,
        tables=await _tables(client),
        now_unix_micros=console.now(),
    )
    return render(request, "items/item.html", view=view)


async def _similar(client: AsyncClient, item_id: str) -> tuple[SimilarItems | None, str]:
    """Find the items that go with one; or say why they cannot be found."""
    try:
        return await client.similar_items(item_id, k=_NEIGHBOURS), ""
    except NotFoundError:
        return None, "This server has no model that ranks items: its tables say which items go together."
    except PresageError as error:
        return None, f"Items that go with it could not be found: {error}"


async def _tables(client: AsyncClient) -> Tables | None:
    """Find the model whose tables were read: that which calls get that name none."""
    try:
        models = await client.list_models()
        ranking = [model for model in models if model.kind is ModelKind.RANKING]
        chosen = next((model for model in ranking if model.default_model), ranking[0] if ranking else None)
        if chosen is None:
            return None
        details = await client.get_model(chosen.name)
    except (AccessDeniedError, NotFoundError):
        return None
    return Tables.of(details)


routes = [Route("/items", show)]
