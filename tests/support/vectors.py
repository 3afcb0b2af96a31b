"""Served vectors for tests."""

from __future__ import annotations

import numpy as np

from presage_featurizer.event_log import ServedVector

_FIELDS = {
    "user_id": "visitor",
    "session_id": "s",
    "as_of_unix_micros": 1_714_521_600_000_000,
    "last_event": b"12345678",
    "model": "conversion",
    "model_version": "1",
    "fingerprint": "f",
    "values": np.array([0.0, -0.0, 1e-45, 0.1], dtype="<f4").tobytes(),
    "score": 0.25,
}


def a_vector(**fields: object) -> ServedVector:
    """Make a served vector, with values that a careless reader would change."""
    return ServedVector(**(_FIELDS | fields))
