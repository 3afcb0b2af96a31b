"""The routes of the page Models."""

from __future__ import annotations

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.console import Console
from presage_console.errors import RequestError
from presage_console.models.changing import ChangeError, decide, read_wanted
from presage_console.models.details import describe_version
from presage_console.models.drawings import draw_importances
from presage_console.models.evidence import known_comparison, show_calibration, show_comparison, show_learning
from presage_console.models.history import describe_history
from presage_console.models.making import make_change
from presage_console.models.overview import describe_model, describe_models, describe_versions
from presage_console.models.proposal import propose
from presage_console.models.reading import find_model, read_details
from presage_console.rendering import NavEntry, render
from presage_console.security.changes import changes

__all__ = ["nav", "routes"]

_MOST_DIGITS = 20
"""Of a revision; Python reads no number of thousands."""

nav = NavEntry(
    label="Models", path="/models", summary="Versions, which of them serve, comparisons, and what was learned."
)


async def show_models(request: Request) -> Response:
    """Answer GET /models."""
    console: Console = request.app.state.console
    models = describe_models(await console.server.client.list_models())
    return render(request, "models/index.html", models=models)


async def show_model(request: Request) -> Response:
    """Answer GET /models/NAME: who is served by which version, what can be changed, and what was."""
    console: Console = request.app.state.console
    client = console.server.client
    model = await find_model(client, request.path_params["name"])
    versions = [each.version for each in model.versions]
    details = await read_details(client, model.name, versions)
    found = (await client.get_model(model.name)) if versions else None
    history = describe_history(found.changes if found else ())
    changed = request.query_params.get("changed", "")
    return render(
        request,
        "models/model.html",
        model=describe_model(model),
        versions=describe_versions(model, details),
        aliases=model.aliases,
        history=history,
        history_problem=next((text for text in found.missing if text.startswith("changes:")), "") if found else "",
        made=next((change for change in history if str(change.revision) == changed), None),
        now=console.now(),
    )


async def show_version(request: Request) -> Response:
    """Answer GET /models/NAME/versions/VERSION."""
    console: Console = request.app.state.console
    name, version = request.path_params["name"], request.path_params["version"]
    page = describe_version(await console.server.client.get_model(name, version=version))
    return render(request, "models/version.html", page=page, importances=draw_importances(page.importances))


async def show_change(request: Request) -> Response:
    """Answer GET /models/NAME/change: what a change would do, and the form that makes it."""
    console: Console = request.app.state.console
    client = console.server.client
    model = await find_model(client, request.path_params["name"])
    seen = request.query_params.get("seen", "")
    try:
        wanted = read_wanted(request.query_params)
        history = (await client.get_model(model.name)).changes
        after = decide(wanted, model, history, new_salt="drawn when the change is made")
        found = propose(
            wanted,
            model,
            after,
            history,
            seen_revision=int(seen) if seen.isascii() and seen.isdigit() and len(seen) < _MOST_DIGITS else None,
            comparison=await known_comparison(request, model, wanted),
        )
    except ChangeError as error:
        raise RequestError(str(error)) from error
    return render(
        request,
        "models/change.html",
        model_name=model.name,
        proposal=found,
        is_stale=seen not in {"", str(found.revision)},
        here=f"{request.url.path}?{request.url.query}",
    )


routes = [
    Route("/models", show_models),
    Route("/models/{name}", show_model),
    Route("/models/{name}/versions/{version}", show_version),
    Route("/models/{name}/change", show_change, methods=["GET"]),
    Route("/models/{name}/change", changes(make_change), methods=["POST"]),
    Route("/models/{name}/comparison", show_comparison),
    Route("/models/{name}/comparison/result", show_comparison),
    Route("/models/{name}/calibration", show_calibration),
    Route("/models/{name}/calibration/result", show_calibration),
    Route("/models/{name}/learning", show_learning),
]
