"""What a server would have served during a log: what live features are compared with."""

from __future__ import annotations

from typing import Final

import numpy as np

from presage_export.drift import ServedRows
from presage_training.replaying.recording import Rows

__all__ = ["sample_served"]

_DAY_MICROS = 86_400_000_000
_MAX_DAYS: Final = 28
"""Older rows are left out: whole weeks, and not too far from what is served next."""
_MAX_ROWS: Final = 300_000


def sample_served(rows: Rows) -> ServedRows | None:
    """Take the rows of the last four weeks, or of a sample of the visitors if they are very many; None if there are none."""
    if not len(rows):
        return None
    times = rows.time_unix_micros
    chosen = times > times.max() - _MAX_DAYS * _DAY_MICROS
    if (found := int(np.count_nonzero(chosen))) > _MAX_ROWS:
        # Whole visitors, and the same ones on every run.
        visitors, places = np.unique(rows.visitor, return_inverse=True)
        chosen &= (np.random.default_rng(0).random(len(visitors)) < _MAX_ROWS / found)[places]
    return ServedRows(values=rows.features[chosen], times_unix_micros=times[chosen], visitors=rows.visitor[chosen])
