"""Which model has learned from how many purchases, and since when it serves: read from the folder of a model that learns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import msgspec

from presage_console.errors import SourceError
from presage_export.errors import ExportError
from presage_export.registry import AliasChange, read_aliases, read_changes, read_verdicts

__all__ = ["LearningView", "read_learning"]

_STATE = "learning.json"
"""As ``presage_training.learning.state`` writes it; importing it would load the libraries that train."""
_WORK = ".learning"
"""The folder that is there while a version is trained."""
_WORDS: Final = {
    "challenger": "passed its test and is on trial",
    "continue": "is on trial",
    "promote": "proved better and serves now",
    "roll back": "proved worse and was taken back",
    "give up": "was neither better nor worse, and makes room",
    "rejected": "did not pass its test",
    "not trained": "could not be trained",
}


class _State(msgspec.Struct, frozen=True):
    purchases: int = 0
    trained_purchases: int = 0


@dataclass(frozen=True, kw_only=True, slots=True)
class LearningView:
    """How far a model's learning is."""

    champion: str
    """The version that serves."""
    since_unix_micros: int
    """Since when; 0: since the beginning."""
    learned_from: int
    """The purchases that it has learned from; 0 if it was not learned here."""
    challenger: str
    """The version on trial; mostly empty."""
    purchases: int
    """Purchases that were archived so far."""
    since_training: int
    """Those that no model has learned from yet."""
    is_training: bool
    news: Sequence[tuple[int, str]]
    """When and what: the last decisions, the newest first."""


def read_learning(folder: Path, *, most_news: int = 4) -> LearningView | None:
    """Read what a learner has written beside the versions of a model; None where none has.

    Raises:
        SourceError: A file cannot be read.
    """
    try:
        state = msgspec.json.decode((folder / _STATE).read_bytes(), type=_State)
        verdicts = read_verdicts(folder)
        aliases, changes = read_aliases(folder), list(read_changes(folder))
    except FileNotFoundError:
        return None
    except (OSError, ExportError, msgspec.MsgspecError) as error:
        raise SourceError(f"{folder}: {error}") from error
    learned = {one.version: one.purchases for one in verdicts if one.verdict == "challenger"}
    decisions = [one for one in verdicts if one.verdict in _WORDS and one.verdict != "continue"]
    return LearningView(
        champion=aliases.champion,
        since_unix_micros=_since(changes, aliases.champion),
        learned_from=learned.get(aliases.champion, 0),
        challenger=aliases.challenger,
        purchases=state.purchases,
        since_training=state.purchases - state.trained_purchases,
        is_training=(folder / _WORK).is_dir(),
        news=[
            (one.decided_at_unix_micros, f"version {one.version} {_WORDS[one.verdict]}")
            for one in reversed(decisions[-most_news:])
        ],
    )


def _since(changes: Sequence[AliasChange], champion: str) -> int:
    return next(
        (
            change.changed_at_unix_micros
            for change in reversed(changes)
            if change.after.champion == champion != change.before.champion
        ),
        0,
    )
