"""Subjects: the kinds of things that events are about, and that a state is kept of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from presage_featurizer.aggregates import NO_AGGREGATES, Aggregates
from presage_featurizer.codec import decode_state, encode_state
from presage_featurizer.events import Event
from presage_featurizer.fold import fold
from presage_featurizer.state import State

__all__ = ["VISITOR", "Subject", "visitor_subject"]

S = TypeVar("S")


@dataclass(frozen=True, kw_only=True, slots=True)
class Subject(Generic[S]):
    """How events become states of one kind of subject."""

    ids: Callable[[Event], Sequence[str]]
    """Returns the ids of the subjects that an event concerns."""
    fold: Callable[[S | None, Event], S]
    """Folds an event into the state of one subject; None for a subject without history."""
    encode: Callable[[S], bytes]
    decode: Callable[[bytes, int], S]
    """Reads a state from where it begins in a blob."""


def _user_id(event: Event) -> tuple[str]:
    return (event.user_id,)


def visitor_subject(aggregates: Aggregates) -> Subject[State]:
    """Return the subject of visitors whose states also keep these aggregates."""
    return Subject(
        ids=_user_id,
        fold=lambda state, event: fold(state, event, aggregates),
        encode=encode_state,
        decode=decode_state,
    )


VISITOR: Subject[State] = visitor_subject(NO_AGGREGATES)
"""The visitor who did what an event says: one for each event."""
