"""The home page: what is connected, and what each missing option would add."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_client import PresageError
from presage_console.console import Console
from presage_console.errors import SourceError
from presage_console.rendering import render

__all__ = ["Source", "find_sources", "routes"]


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One thing that the console reads."""

    name: str
    state: str
    """``connected``, ``missing`` (no option names it) or ``failing``."""
    where: str
    detail: str
    """What it is, or why it fails."""
    option: str
    """The option that connects it."""
    adds: str
    """What pages show with it."""


async def find_sources(console: Console) -> list[Source]:
    """Look at all sources at once."""
    return list(await asyncio.gather(_server(console), _metrics(console), _archive(console), _models(console)))


async def _server(console: Console) -> Source:
    state, detail = "connected", ""
    try:
        models = await console.server.client.list_models(timeout_ms=2_000)
        names = ", ".join(model.name for model in models)
        detail = f"serves {names}" if models else "serves no model"
    except PresageError as error:
        state, detail = "failing", str(error)
    return Source(
        name="Server",
        state=state,
        where=console.server.target,
        detail=detail,
        option="--server HOST:PORT",
        adds="Models, visitors, rankings and explanations.",
    )


async def _metrics(console: Console) -> Source:
    state, where, detail = "missing", "", ""
    if console.metrics is not None:
        state, where = "connected", console.metrics.url
        try:
            detail = f"{len(await console.metrics.read())} metrics"
        except SourceError as error:
            state, detail = "failing", str(error)
    return Source(
        name="Metrics",
        state=state,
        where=where,
        detail=detail,
        option="--metrics-url http://127.0.0.1:9464/metrics",
        adds="The page Live: calls, latencies, rejections and the store, as they are now.",
    )


async def _archive(console: Console) -> Source:
    return Source(
        name="Archive",
        state="missing" if console.archive is None else "connected",
        where=str(console.archive or ""),
        detail="",
        option="--archive FOLDER",
        adds="A visitor's whole history, and the comparison of two versions.",
    )


async def _models(console: Console) -> Source:
    return Source(
        name="Models folder",
        state="missing" if console.models is None else "connected",
        where=str(console.models or ""),
        detail="",
        option="--models FOLDER",
        adds="Calibration, training data and the learning curve.",
    )


async def show(request: Request) -> Response:
    """Answer GET /."""
    return render(request, "home.html", sources=await find_sources(request.app.state.console))


routes = [Route("/", show)]
