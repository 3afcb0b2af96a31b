"""The gate of a process, made from the settings."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from prometheus_client import CollectorRegistry, Gauge

from presage_server.access.following import TokensFollower
from presage_server.access.gate import Gate
from presage_server.access.limits import Slots
from presage_server.access.settings import parse_open_parts
from presage_server.access.tokens import Token
from presage_server.settings import Settings

__all__ = ["Access", "SharedAccess", "open_access"]

_logger = logging.getLogger(__name__)


@dataclass(frozen=True, kw_only=True, slots=True)
class SharedAccess:
    """What a supervisor gives its workers."""

    tokens: Sequence[Token]
    """Those in use, so that a worker that is started again needs no valid file."""
    slots: Slots
    """Where the workers keep the tokens' rates together."""


class Access:
    """The gate of a process, and the file behind it."""

    def __init__(self, gate: Gate, follower: TokensFollower) -> None:
        self.gate = gate
        self._follower = follower

    @property
    def tokens(self) -> Sequence[Token]:
        """Those in use."""
        return self._follower.tokens


@contextmanager
def open_access(
    settings: Settings, registry: CollectorRegistry, shared: SharedAccess | None = None
) -> Iterator[Access | None]:
    """Make what checks the calls of this process, and have it follow the tokens file for as long as the context lasts.

    Args:
        settings: Name the tokens file, and what is open without a token.
        registry: For the metrics.
        shared: What the process shares with others.

    Yields:
        None if no tokens are asked for.

    Raises:
        TokensError: The tokens file cannot be used.
    """
    if not settings.tokens_file:
        yield None
        return
    open_parts = parse_open_parts(settings.open_without_token)
    gate = Gate((), open_parts, None if shared is None else shared.slots)
    follower = TokensFollower(Path(settings.tokens_file), gate.replace, None if shared is None else shared.tokens)
    registry.register(gate)
    problem = Gauge(
        "presage_tokens_problem",
        "1 while the tokens file cannot be used as it is, and the previous tokens are.",
        registry=registry,
    )
    problem.set_function(lambda: bool(follower.problem))
    _logger.info(
        "access: %d tokens in %s; open without one: %s",
        len(follower.tokens),
        settings.tokens_file,
        ", ".join(sorted(open_parts)) or "nothing",
    )
    following = asyncio.create_task(follower.run())
    try:
        yield Access(gate, follower)
    finally:
        following.cancel()
