from __future__ import annotations

import numpy as np
import pytest

from benchmarks.peers.dataset import FEATURES, Sample, make_dataset


@pytest.fixture(scope="session")
def dataset():
    return make_dataset(60)


@pytest.fixture
def sample():
    """Answers that a float32 holds exactly."""

    def make(visitors=1, items=0):
        count = items or visitors
        rows = np.arange(count * len(FEATURES), dtype=np.float32).reshape(count, -1) / 4
        scores = (np.arange(count) + 1) / 2**8
        item_ids = tuple(f"item-{number:07d}" for number in range(1_998, 1_998 + items))
        users = tuple(f"visitor-{number}" for number in range(visitors))
        return Sample(users, rows, scores, 1_714_521_600_000_000, item_ids)

    return make
