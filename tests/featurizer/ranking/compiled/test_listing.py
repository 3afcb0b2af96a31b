"""Candidates come in the same order, and for the same reasons, by compiled functions and by numpy."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from presage_featurizer.ranking.compiled import load_kernels
from presage_featurizer.ranking.items import ItemColumns
from presage_featurizer.ranking.items_live import LiveValues
from presage_featurizer.ranking.pairs import PAIR_FEATURES
from presage_featurizer.ranking.placements import Placement, Scored
from presage_featurizer.ranking.placements.scored import CandidateFacts
from presage_featurizer.ranking.reasons import reasons
from tests.support.numpy_only import numpy_only

LIKELY = st.sampled_from([-1.0, 0.0, -0.0, 0.1, 0.2, 0.6, 0.8, 1.0, 1.25, 5.0, 14.0, 50.0, 3e38])


@pytest.fixture(autouse=True)
def numba_is_there():
    assert load_kernels() is not None, "numba is one of the packages for development"


@given(data=st.data(), count=st.integers(0, 200), hide=st.booleans())
@settings(deadline=None)
def test_what_may_be_shown_comes_best_first(data, count, hide):
    random = np.random.default_rng(data.draw(st.integers(0, 2**32)))
    levels = data.draw(st.sampled_from([1, 3, 1_000]))
    scores = (random.integers(levels, size=count) - levels // 2) * random.choice([-0.0, 0.5, 1.0], count)
    digests = random.permutation(np.arange(count, dtype=np.uint64) + np.uint64(2**63 - 100))
    live = LiveValues(np.ones(count), random.integers(-1, 2, count), random.random(count) < 0.2, [])
    scored = Scored(np.arange(count), digests, scores, np.zeros(count, np.uint8), live)
    placement = Placement(hide_out_of_stock=hide)

    compiled = CandidateFacts(scored, ItemColumns()).shown(placement)
    with numpy_only():
        expected = CandidateFacts(scored, ItemColumns()).shown(placement)

    assert compiled.tolist() == expected.tolist()
    assert not live.blocked[compiled].any()


@given(
    values=arrays(
        np.float32, st.tuples(st.integers(0, 12), st.just(len(PAIR_FEATURES))), elements=LIKELY | st.floats(width=32)
    ),
    data=st.data(),
)
@settings(deadline=None)
def test_reasons(values, data):
    values = np.nan_to_num(values)
    places = np.array(data.draw(st.permutations(range(len(values))))[:7], np.int64)

    compiled = reasons(values, places), reasons(values)
    with numpy_only():
        assert compiled == (reasons(values, places), reasons(values))
    assert compiled[0] == reasons(values[places])
