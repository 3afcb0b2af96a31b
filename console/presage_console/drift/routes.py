"""The routes of the page Drift."""

from __future__ import annotations

import asyncio

from starlette.exceptions import HTTPException
from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.console import Console
from presage_console.drift.column import view_column
from presage_console.drift.drawing import draw_effects, draw_histogram
from presage_console.drift.reading import DAYS, DriftFound, DriftReader
from presage_console.drift.views import VersionView, view_version
from presage_console.rendering import NavEntry, render
from presage_server.settings import shipped_models

__all__ = ["nav", "routes"]

nav = NavEntry(label="Drift", path="/drift", summary="Which features have changed since the model was trained.")

_DEFAULT_DAYS = 7


async def show(request: Request) -> Response:
    """Answer GET /drift: all versions, their columns by alarm."""
    days = _days(request)
    found = await _read(request, days)
    versions = [] if found is None else await asyncio.to_thread(_view, found)
    return render(request, "drift/index.html", found=found, versions=versions, days=days, choices=DAYS)


async def show_column(request: Request) -> Response:
    """Answer GET /drift/MODEL/VERSION/COLUMN: served values beside those of training."""
    days = _days(request)
    found = await _read(request, days)
    report = None if found is None else found.report(request.path_params["model"], request.path_params["version"])
    if found is None or (report is None and found.error):
        return render(request, "drift/index.html", found=found, versions=[], days=days, choices=DAYS)
    # In a thread, as a month has some hundred thousand findings.
    name = request.path_params["column"]
    column = None if report is None else await asyncio.to_thread(view_column, report, name, last_hour=_hour(request))
    if column is None:
        raise HTTPException(404, "There is no such column of a version that can be compared.")
    return render(
        request,
        "drift/column.html",
        found=found,
        column=column,
        days=days,
        histogram=draw_histogram(column.compared),
        effects=draw_effects(column),
    )


def _view(found: DriftFound) -> list[VersionView]:
    """Make the views of all versions: those with alarms first, then those that serve most."""
    views = [view_version(report) for report in found.reports]
    return sorted(views, key=lambda version: (-version.alarms, -version.rows))


async def _read(request: Request, days: int) -> DriftFound | None:
    """Return what was found; None if the console knows no store."""
    console: Console = request.app.state.console
    if not console.settings.redis_url:
        return None
    state = request.app.state
    if not hasattr(state, "drift"):
        state.drift = DriftReader(console.settings.redis_url, console.models or shipped_models(), clock=console.now)
    reader: DriftReader = state.drift
    return await reader.read(days)


def _days(request: Request) -> int:
    wanted = request.query_params.get("days", "")
    return next((days for days in DAYS if str(days) == wanted), _DEFAULT_DAYS)


def _hour(request: Request) -> int | None:
    wanted = request.query_params.get("until", "")
    return int(wanted) if wanted.isascii() and wanted.isdecimal() and len(wanted) < 10 else None


routes = [Route("/drift", show), Route("/drift/{model}/{version}/{column}", show_column)]
