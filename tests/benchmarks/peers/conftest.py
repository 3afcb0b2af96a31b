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

    def make(visitors=1):
        rows = np.arange(visitors * len(FEATURES), dtype=np.float32).reshape(visitors, -1) / 4
        scores = (np.arange(visitors) + 1) / 2**8
        return Sample(tuple(f"visitor-{number}" for number in range(visitors)), rows, scores, 1_714_521_600_000_000)

    return make
