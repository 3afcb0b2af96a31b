"""The same state as older releases would have written it."""

from __future__ import annotations

from typing import Any

import msgspec

from benchmarks.fuzzing.states.drawing import HEADER_BYTES, frame
from presage_featurizer import State, encode_state
from presage_featurizer.digests import WIDTH
from presage_featurizer.state import CoreState

__all__ = ["older_blobs"]

_SLOTS = CoreState.__struct_fields__.index("slots")
_SESSIONS = CoreState.__struct_fields__.index("sessions")
_HABITS = _SLOTS + 1
_SESSION_FIELDS = {4: 17, 3: 11, 2: 11, 1: 11}


def older_blobs(state: State) -> list[bytes]:
    """Write a state in versions 4 to 1."""
    blobs = []
    for version, session_fields in _SESSION_FIELDS.items():
        fields: list[Any] = msgspec.msgpack.decode(encode_state(state)[HEADER_BYTES:])
        fields[_SESSIONS] = [session[:session_fields] for session in fields[_SESSIONS]]
        digests = state.items.digests
        interests = {
            digests[at : at + WIDTH]: [2.5, state.last_seen_unix_micros, 3] for at in range(0, len(digests), WIDTH)
        }
        habits = fields[_HABITS]
        fields[_HABITS] = [*habits[:7], interests, habits[7], digests[:WIDTH], *habits[8:]]
        del fields[_HABITS + 2 :]  # the items
        if version < 4:
            del fields[_SLOTS]
            del fields[_HABITS + version - 2 :]
        blobs.append(frame(version, msgspec.msgpack.encode(fields)))
    return blobs
