from __future__ import annotations

import dataclasses

import numpy as np
from hypothesis import given
from hypothesis import strategies as st
from training.models.data import rows_of

from presage_training.models.folds import time_ordered_folds


@given(times=st.lists(st.integers(0, 50), min_size=1, max_size=60), horizon=st.integers(0, 30), count=st.integers(1, 5))
def test_a_fold_learns_only_what_was_known_before_it_is_asked(times, horizon, count):
    rows = rows_of(len(times))
    moments = np.array(times, dtype=np.int64)
    rows = dataclasses.replace(rows, times_unix_micros=moments, known_unix_micros=moments + horizon)
    folds = time_ordered_folds(rows, count)

    assert len(folds) <= count
    for fold in folds:
        first = moments[fold.validation].min()
        assert moments[fold.train].max() < first
        assert (moments[fold.train] + horizon).max() <= first
    validated = np.concatenate([fold.validation for fold in folds]) if folds else np.empty(0, dtype=int)
    assert len(validated) == len(set(validated.tolist()))


def test_folds_are_blocks_of_about_the_same_size():
    folds = time_ordered_folds(rows_of(1_000), 3)

    assert [len(fold.validation) for fold in folds] == [250, 250, 250]
    assert [len(fold.train) for fold in folds] == [250, 500, 750]


def test_no_rows_give_no_folds():
    assert time_ordered_folds(rows_of(10).take(np.empty(0, dtype=np.intp)), 3) == []
