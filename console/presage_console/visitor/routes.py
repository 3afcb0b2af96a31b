"""The routes of the page Visitors."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from types import ModuleType

from starlette.requests import Request
from starlette.responses import Response
from starlette.routing import Route

from presage_console.console import Console
from presage_console.errors import RequestError, SourceError
from presage_console.rendering import NavEntry, render
from presage_console.visitor.history import History, RecentVisitor
from presage_console.visitor.page import Asked, ReadHistory, make_page
from presage_featurizer import FeatureSetError
from presage_featurizer.custom import CustomFeatures, read_custom_features
from presage_server.archive.errors import ArchiveReadError

__all__ = ["nav", "routes"]

nav = NavEntry(label="Visitors", path="/visitors", summary="What a visitor did, and why the score is what it is.")

_MAX_ID_BYTES = 256
_RECENT = 12
_TURNS = 3
"""How many read the archive at a time: it takes a thread, a processor and some 100 MB, and all other pages need threads, too."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Sources:
    """What pages of visitors share."""

    read_history: ReadHistory | None
    custom: CustomFeatures | None


async def show(request: Request) -> Response:
    """Answer GET /visitors: a form, or with ``id`` that visitor's page."""
    console: Console = request.app.state.console
    asked = _asked(request)
    if asked is None:
        async with _turns(request):
            recent, problem = await asyncio.to_thread(_recent, console)
        return render(request, "visitor/index.html", recent=recent, problem=problem, now=console.now())
    sources = await _sources(request)
    async with _turns(request):
        page = await make_page(console, asked, read_history=sources.read_history, custom=sources.custom)
    return render(request, "visitor/visitor.html", page=page, asked=asked, now=page.live.as_of_unix_micros)


def _asked(request: Request) -> Asked | None:
    """Read what is asked for; None without a visitor."""
    query = request.query_params
    user_id = query.get("id", "")
    if not user_id:
        return None
    if len(user_id.encode(errors="replace")) > _MAX_ID_BYTES:
        raise RequestError(f"id: expected at most {_MAX_ID_BYTES} bytes, as visitors' ids have")
    return Asked(
        user_id=user_id,
        model=query.get("model", ""),
        page=_number(query.get("page", ""), "page"),
        at=_number(query.get("at", ""), "at"),
    )


def _number(text: str, name: str) -> int | None:
    if not text:
        return None
    if not text.isascii() or not text.isdigit() or len(text) > len(str(2**31)):
        raise RequestError(f"{name}: expected a number from 1, got {text[:20]!r}")
    return int(text)


def _recent(console: Console) -> tuple[list[RecentVisitor], str]:
    if console.archive is None:
        return [], ""
    try:
        return _archive_reader().recent_visitors(console.archive, _RECENT), ""
    except (ArchiveReadError, SourceError) as error:
        return [], str(error)


async def _sources(request: Request) -> _Sources:
    """Return what is made once for all pages."""
    state = request.app.state
    known: _Sources | None = getattr(state, "visitor_sources", None)
    if known is None:
        console: Console = state.console
        custom = None
        if console.project is not None:
            try:
                custom = await asyncio.to_thread(read_custom_features, console.project)
            except FeatureSetError as error:
                raise SourceError(f"the project cannot be read: {error}") from error
        known = state.visitor_sources = _Sources(read_history=_history_reader(console), custom=custom)
    return known


def _turns(request: Request) -> asyncio.Semaphore:
    """Return what is held while a page is made; those that come meanwhile wait."""
    state = request.app.state
    if not hasattr(state, "visitor_turns"):
        state.visitor_turns = asyncio.Semaphore(_TURNS)
    turns: asyncio.Semaphore = state.visitor_turns
    return turns


def _history_reader(console: Console) -> ReadHistory | None:
    if console.archive is None:
        return None
    try:
        histories = _archive_reader().Histories(console.archive)
    except SourceError as error:
        problem = str(error)

        def fail(_user_id: str) -> History:
            raise SourceError(problem)

        return fail
    read: ReadHistory = histories.read
    return read


def _archive_reader() -> ModuleType:
    """Import what reads archives, at first use: a console without an archive does without its library."""
    try:
        from presage_console.visitor import archive_reader  # noqa: PLC0415
    except ModuleNotFoundError as error:
        if error.name != "pyarrow":
            raise
        raise SourceError(
            "an archive is read with pyarrow, which is not installed: pip install 'presage-scoring[console,train]'"
        ) from error
    return archive_reader


routes = [Route("/visitors", show)]
