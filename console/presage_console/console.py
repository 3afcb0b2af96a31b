"""What every page gets: ``request.app.state.console``."""

from __future__ import annotations

import secrets
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path

from presage_console.push import Hub
from presage_console.security.sessions import Sessions
from presage_console.settings import ConsoleSettings
from presage_console.sources.metrics import MetricsReader
from presage_console.sources.server import DEFAULT_SERVER, ServerReader

__all__ = ["Console", "open_console"]


@dataclass(frozen=True, kw_only=True)
class Console:
    """A console: what it reads, and who is signed in."""

    settings: ConsoleSettings
    server: ServerReader
    metrics: MetricsReader | None
    """None where no metrics are connected."""
    archive: Path | None
    """The folder of the archive; None where none is connected."""
    models: Path | None
    """The server's folder of models; None where the console cannot read it."""
    project: Path | None
    """The folder of a project with features of its own; None without one."""
    now: Callable[[], int]
    """Returns the time, in microseconds of Unix time."""
    sessions: Sessions
    """Who is signed in."""
    own_token: str = field(repr=False)
    """What an operator signs in with while the server has no tokens; the console prints it at start."""
    hub: Hub = field(default_factory=Hub)
    """What is pushed to browsers."""


def open_console(
    settings: ConsoleSettings, *, now: Callable[[], int] = lambda: time.time_ns() // 1_000, own_token: str = ""
) -> Console:
    """Connect what the settings name; nothing is read yet.

    Args:
        settings: The settings.
        now: The clock.
        own_token: What operators sign in with while the server has no tokens; empty: a new one.

    Raises:
        ValueError: The server's address or a file of TLS is not valid.
    """
    return Console(
        settings=settings,
        server=ServerReader(settings.server or DEFAULT_SERVER, settings),
        metrics=MetricsReader(settings.metrics_url, settings.server_token_file) if settings.metrics_url else None,
        archive=_folder(settings.archive),
        models=_folder(settings.models),
        project=_folder(settings.project),
        now=now,
        sessions=Sessions(now),
        own_token=own_token or secrets.token_urlsafe(24),
    )


def _folder(name: str) -> Path | None:
    return Path(name) if name else None
