"""Which entries of a stream are one visitor's."""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum

import msgspec

from presage_featurizer import StateError, decode_event
from presage_featurizer.event_log import (
    EVENT_FIELD,
    EXPOSURE_FIELD,
    VECTOR_FIELD,
    decode_exposure,
    decode_served_vector,
)

__all__ = ["EntryKind", "EntryMatcher"]


class EntryKind(StrEnum):
    """What an entry holds."""

    EVENT = "event"
    VECTOR = "vector"
    EXPOSURE = "exposure"


_DECODERS = (
    (EntryKind.EVENT, EVENT_FIELD.encode(), decode_event),
    (EntryKind.VECTOR, VECTOR_FIELD.encode(), decode_served_vector),
    (EntryKind.EXPOSURE, EXPOSURE_FIELD.encode(), decode_exposure),
)


class EntryMatcher:
    """Recognizes the entries of a visitor.

    Args:
        user_id: The visitor.
    """

    def __init__(self, user_id: str) -> None:
        self._user_id = user_id
        self._text = user_id.encode()
        self._encoded = msgspec.msgpack.encode(user_id)

    def kind_of(self, fields: Mapping[bytes, bytes]) -> EntryKind | None:
        """Return what an entry holds of the visitor; None if it is not the visitor's."""
        for kind, field, decode in _DECODERS:
            value = fields.get(field)
            if value is None or self._text not in value:
                continue
            try:
                user_id = decode(value).user_id
            except StateError:
                user_id = self._user_id if self.names_it(value) else ""
            if user_id == self._user_id:
                return kind
        return None

    def names_it(self, unreadable: bytes) -> bool:
        """Return whether bytes that this release cannot read have the visitor's id as one of their texts.

        It may be another visitor's event with this id as one of its other texts: what cannot be read is rather erased than kept.
        """
        return self._encoded in unreadable
