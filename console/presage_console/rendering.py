"""Pages and fragments from templates. Every value is escaped; there is no way around it but ``Markup``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup
from starlette.requests import Request
from starlette.responses import HTMLResponse

from presage_console import formats
from presage_console.bars import columns_of, rows_of

__all__ = ["STATIC", "NavEntry", "environment", "fragment", "render"]

STATIC = Path(__file__).parent / "static"
_TEMPLATES = Path(__file__).parent / "templates"


@dataclass(frozen=True, kw_only=True, slots=True)
class NavEntry:
    """A page in the navigation."""

    label: str
    path: str
    """Where it is; what starts with it belongs to it."""
    summary: str = ""
    """One sentence for the home page: what it shows."""


def environment(nav: list[NavEntry]) -> Environment:
    """Make the environment of all templates."""
    made = Environment(
        loader=FileSystemLoader(_TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    made.globals |= {"nav": nav, "static": _static_urls(), "columns_of": columns_of, "rows_of": rows_of}
    made.filters |= formats.FILTERS
    return made


def render(request: Request, name: str, *, status: int = 200, **context: Any) -> HTMLResponse:
    """Answer with a page: a template that extends ``base.html``.

    Beside its own context, a template has ``path``, ``session`` (who is signed in, or None), ``csrf`` (what a form that changes
    something has inside) and ``settings``.
    """
    return HTMLResponse(fragment(request, name, **context), status_code=status)


def fragment(request: Request, name: str, **context: Any) -> str:
    """Render a template to text, as for ``push.stream``."""
    templates: Environment = request.app.state.templates
    session = request.scope.get("console_session")
    return templates.get_template(name).render(
        path=request.url.path,
        session=session,
        csrf=_csrf_field(session.csrf if session else ""),
        settings=request.app.state.console.settings,
        **context,
    )


def _csrf_field(csrf: str) -> Markup:
    return Markup('<input type="hidden" name="csrf" value="{}">').format(csrf)


def _static_urls() -> Callable[[str], str]:
    """Return a function from a file's name to its address, which changes with its content so that browsers may keep it."""
    urls = {
        file.relative_to(STATIC).as_posix(): f"/static/{file.relative_to(STATIC).as_posix()}"
        f"?v={sha256(file.read_bytes()).hexdigest()[:12]}"
        for file in STATIC.rglob("*")
        if file.is_file()
    }
    return urls.__getitem__
