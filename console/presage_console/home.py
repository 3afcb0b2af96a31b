"""The home page: what is connected, and what each missing option would add."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Final

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_client import PresageError
from presage_console.console import Console
from presage_console.errors import ConsoleError, SourceError
from presage_console.formats import ago, number
from presage_console.rendering import render
from presage_featurizer import FeaturizerError
from presage_featurizer.event_log import CHECKPOINT_FILE, decode_checkpoint
from presage_server.errors import ServerError
from presage_server.eventlog.connecting import connect_clients

__all__ = ["Source", "find_sources", "routes"]

_STORE_SECONDS: Final = 1.0


@dataclass(frozen=True, kw_only=True, slots=True)
class Source:
    """One thing that the console reads."""

    name: str
    state: str
    """``connected``, ``not connected`` (no option names it) or ``failing``."""
    where: str
    detail: str
    """What it is, or why it fails."""
    option: str
    """The option that connects it."""
    adds: str
    """What pages show with it."""


async def find_sources(console: Console) -> list[Source]:
    """Look at all sources at once."""
    sources = await asyncio.gather(
        _look(
            lambda: _find_models(console),
            name="Server",
            where=console.server.target,
            option="--server HOST:PORT",
            adds="Models, visitors, rankings and explanations.",
        ),
        _look(
            lambda: _count_metrics(console),
            name="Metrics",
            where=console.settings.metrics_url,
            option="--metrics-url http://127.0.0.1:9464/metrics",
            adds="Live: calls, latencies, rejections and the store, as they are now.",
        ),
        _look(
            lambda: asyncio.to_thread(_read_checkpoint, console),
            name="Archive",
            where=console.settings.archive,
            option="--archive FOLDER",
            adds="A visitor's whole history, the comparison of two versions, and how far scores were from what happened.",
        ),
        _look(
            lambda: asyncio.to_thread(_list_models, console),
            name="Models folder",
            where=console.settings.models,
            option="--models FOLDER",
            adds="What the learner decided about each version, and what drift is compared with.",
        ),
        _look(
            lambda: asyncio.to_thread(_reach_store, console),
            name="Store",
            where=_public_part(console.settings.redis_url),
            option="--redis-url redis://HOST:6379",
            adds="Drift: the counts of served features, which are only read.",
        ),
    )
    return list(sources)


def _public_part(url: str) -> str:
    """Return where a store is, without the password that its URL may hold."""
    return url.partition("?")[0].rpartition("@")[2].rpartition("://")[2].removesuffix("/0")


async def _look(read: Callable[[], Awaitable[str]], *, name: str, where: str, option: str, adds: str) -> Source:
    """Look at one source; ``read`` returns what it is."""
    state, detail = "not connected", ""
    if where:
        try:
            state, detail = "connected", await read()
        except PresageError as error:
            state, detail = "failing", error.message
        except (ConsoleError, FeaturizerError, ServerError, OSError) as error:
            state, detail = "failing", str(error)
    return Source(name=name, state=state, where=where, detail=detail, option=option, adds=adds)


async def _find_models(console: Console) -> str:
    models = await console.server.client.list_models(timeout_ms=2_000)
    return f"Serves {', '.join(model.name for model in models) or 'no model'}."


async def _count_metrics(console: Console) -> str:
    assert console.metrics is not None
    return f"{len(await console.metrics.read())} metrics."


def _read_checkpoint(console: Console) -> str:
    assert console.archive is not None
    file = console.archive / CHECKPOINT_FILE
    try:
        checkpoint = decode_checkpoint(file.read_bytes())
    except FileNotFoundError as error:
        raise SourceError("Nothing has been archived here yet, or it is another folder.") from error
    written = ago(int(file.stat().st_mtime * 1e6), console.now())
    return f"{number(checkpoint.archived)} entries, the last ones {written}."


def _list_models(console: Console) -> str:
    assert console.models is not None
    names = sorted(file.parent.parent.name for file in console.models.glob("*/*/manifest.json"))
    if not names:
        raise SourceError("This folder has no models, NAME/VERSION/manifest.json.")
    return f"{len(names)} {'version' if len(names) == 1 else 'versions'} of {', '.join(dict.fromkeys(names))}."


def _reach_store(console: Console) -> str:
    clients, _ = connect_clients(
        console.settings.redis_url, client_name="presage-console", timeout_seconds=_STORE_SECONDS
    )
    is_cluster = clients.is_cluster
    clients.close()
    return "A cluster, which answers." if is_cluster else "It answers."


async def show(request: Request) -> Response:
    """Answer GET /."""
    console: Console = request.app.state.console
    return render(request, "home.html", server=console.server.target, sources=await find_sources(console))


routes = [Route("/", show)]
