"""The guard: a challenger that breaks a rule of its model's aliases gets no more visitors, within seconds."""

from __future__ import annotations

import logging
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from presage_export.registry import Aliases
from presage_server.models.rules import Measured, broken_rule
from presage_server.models.served import Models, Served
from presage_server.telemetry.versions import VersionMetrics

__all__ = ["Guard", "Rollback"]

_logger = logging.getLogger(__name__)

_MAX_SECONDS = 1.0
_LOOKS_PER_WINDOW = 10


class Rollback(NamedTuple):
    """A challenger that the guard has dropped in this process."""

    model: str
    aliases: Aliases
    """Those that named it."""
    reason: str


@dataclass(slots=True)
class _Watched:
    """A model with a challenger, and what had been counted at the last few checks."""

    served: Served[Any]
    looks: deque[tuple[float, Measured, Measured]] = field(default_factory=deque)
    """The time, and the counts of champion and challenger; the oldest first, one window of them."""
    next_at: float = 0.0


class Guard:
    """Compares the challenger of each model with its champion, over windows of time. All methods are for the serving thread.

    Args:
        models: What is served; a challenger that breaks a rule is dropped from it.
        versions: What has been counted of each version.
        on_rollback: Called with each challenger that was dropped, to change the aliases, too.
    """

    def __init__(self, models: Models, versions: VersionMetrics, on_rollback: Callable[[Rollback], None]) -> None:
        self._models = models
        self._versions = versions
        self._on_rollback = on_rollback
        self._watched: dict[str, _Watched] = {}
        self._next_at = 0.0

    def look(self, now: float) -> None:
        """Look at what has been counted, if it is time to; call it often, between two batches.

        Args:
            now: The time, in seconds of ``time.monotonic``.
        """
        if now < self._next_at:
            return
        served = self._models.all
        self._versions.keep({version for loaded in served.values() for version in loaded.versions})
        self._watched = {
            name: self._watch(name, loaded) for name, loaded in served.items() if loaded.challenger is not None
        }
        self._next_at = now + _MAX_SECONDS
        for name, watched in self._watched.items():
            if watched.next_at <= now and (reason := self._reason(watched, now)):
                self._roll_back(name, watched.served, reason)
            self._next_at = min(self._next_at, watched.next_at)

    def _watch(self, name: str, loaded: Served[Any]) -> _Watched:
        """Keep watching a model, or start again if its challenger or champion is another one."""
        watched = self._watched.get(name)
        if watched is None or (watched.served.champion, watched.served.challenger) != (
            loaded.champion,
            loaded.challenger,
        ):
            return _Watched(loaded)
        watched.served = loaded  # with another share, say
        return watched

    def _reason(self, watched: _Watched, now: float) -> str:
        """Check one model; return why its challenger has to be dropped, empty if it may stay."""
        rules = watched.served.aliases.rollback
        watched.next_at = now + min(_MAX_SECONDS, rules.window_seconds / _LOOKS_PER_WINDOW)
        champion, challenger = (
            Measured.of(self._versions, version) for version in (watched.served.champion, watched.served.challenger)
        )
        looks = watched.looks
        looks.append((now, champion, challenger))
        while len(looks) > 1 and looks[1][0] <= now - rules.window_seconds:
            looks.popleft()
        began, champion_before, challenger_before = looks[0]
        broken = broken_rule(rules, champion.since(champion_before), challenger.since(challenger_before))
        return f"{broken}, in {now - began:.1f} s" if broken else ""

    def _roll_back(self, name: str, served: Served[Any], reason: str) -> None:
        text = f"version {served.aliases.challenger} beside version {served.champion.version}: {reason}"
        _logger.error("model %s: the challenger is rolled back: %s", name, text)
        self._models.drop_challenger(name)
        self._on_rollback(Rollback(name, served.aliases, text))
